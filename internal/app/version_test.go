package app

import (
	"runtime/debug"
	"testing"
)

// TestVersionOf: a build of a checkout says of which commit, and whether it was
// changed.
func TestVersionOf(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for _, tc := range []struct {
		want     string
		settings []debug.BuildSetting
	}{
		{"development, of no known commit", nil},
		{"development, of no known commit", []debug.BuildSetting{{Key: "-buildmode", Value: "exe"}, {Key: "vcs.modified", Value: "true"}}},
		{"development, commit 0123456789ab", []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: "false"}}},
		{"development, commit 0123456789ab, with changes", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: commit}}},
		{"development, commit abc", []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}}},
	} {
		if got := versionOf(tc.settings); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.settings, got, tc.want)
		}
	}
}

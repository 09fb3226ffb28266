package app

import "runtime/debug"

// release is set by release builds: -ldflags "-X …/internal/app.release=v1.2.3".
var release string

// Version says which build this is: the release, or the commit it was built from.
func Version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info.Settings)
}

// versionOf is the version of a build that is no release, by what the compiler
// wrote into it: nothing where it was told to (-buildvcs=false), or found no
// repository.
func versionOf(settings []debug.BuildSetting) string {
	commit, change := "", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			change = ", with changes"
		}
	}
	if commit == "" {
		return "development, of no known commit"
	}
	return "development, commit " + commit + change
}

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
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "development, commit " + s.Value[:12]
		}
	}
	return "development"
}

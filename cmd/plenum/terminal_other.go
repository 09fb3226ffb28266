//go:build !unix

package main

import "os"

// terminalWidth knows no terminals on this system: output is plain lines.
func terminalWidth(*os.File) (int, bool) { return 0, false }

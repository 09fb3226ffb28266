// Command build writes internal/web/dist from internal/web/client:
//
//	go run ./internal/web/build
//
// Run it from the repository's root after every change of the client.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/plenum-conf/plenum/internal/web/bundle"
)

func main() {
	if err := run("internal/web"); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	files, err := bundle.Build(filepath.Join(dir, "client"))
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, "dist", name), data, 0o644); err != nil {
			return err
		}
		fmt.Printf("%8d %s\n", len(data), name)
	}
	return nil
}

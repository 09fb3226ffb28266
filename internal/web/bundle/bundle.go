package bundle

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// targets are the oldest browsers that the code is lowered for. All have
// unified-plan WebRTC.
var targets = []api.Engine{
	{Name: api.EngineChrome, Version: "100"},
	{Name: api.EngineFirefox, Version: "102"},
	{Name: api.EngineSafari, Version: "16"},
}

// Build bundles the client below clientDir. It returns file names and
// contents: app.js and app.css (the page), client.js (the protocol library as
// an ES module) and icon.svg.
func Build(clientDir string) (map[string][]byte, error) {
	dir, err := filepath.Abs(clientDir)
	if err != nil {
		return nil, err
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: dir,
		EntryPointsAdvanced: []api.EntryPoint{
			{InputPath: "page/main.ts", OutputPath: "app"},
			{InputPath: "page/app.css", OutputPath: "app"},
			{InputPath: "page/icon.svg", OutputPath: "icon"},
			{InputPath: "protocol/index.ts", OutputPath: "client"},
		},
		Outdir:            filepath.Join(dir, "out"),
		Bundle:            true,
		Format:            api.FormatESModule,
		Platform:          api.PlatformBrowser,
		Engines:           targets,
		Loader:            map[string]api.Loader{".svg": api.LoaderCopy},
		MinifySyntax:      true,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsNone,
		LogLevel:          api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return nil, buildError(result.Errors)
	}
	files := make(map[string][]byte, len(result.OutputFiles))
	for _, f := range result.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	return files, nil
}

func buildError(messages []api.Message) error {
	var errs []error
	for _, m := range messages {
		if m.Location == nil {
			errs = append(errs, errors.New(m.Text))
			continue
		}
		errs = append(errs, fmt.Errorf("%s:%d:%d: %s", m.Location.File, m.Location.Line, m.Location.Column, m.Text))
	}
	return errors.Join(errs...)
}

// BuildTests bundles the client's unit tests into one script for node.
func BuildTests(clientDir string, names []string) ([]byte, error) {
	dir, err := filepath.Abs(clientDir)
	if err != nil {
		return nil, err
	}
	var imports string
	for _, name := range names {
		imports += fmt.Sprintf("import %q;\n", "./test/"+name)
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: dir,
		Stdin:         &api.StdinOptions{Contents: imports, ResolveDir: dir, Sourcefile: "tests.ts"},
		Bundle:        true,
		Format:        api.FormatESModule,
		Platform:      api.PlatformNode,
		Sourcemap:     api.SourceMapInline,
		LogLevel:      api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return nil, buildError(result.Errors)
	}
	return result.OutputFiles[0].Contents, nil
}

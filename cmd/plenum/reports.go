package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/report"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

// reportFiles are the files of --json and --html, open from before a test
// begins: one that cannot be written is better known before than after it.
// What they held stays until there is something new.
type reportFiles struct{ json, html *reportFile }

// reportFile is one of them; nil if it is not asked for.
type reportFile struct {
	flag string
	f    *os.File
	made bool // it was not there before
}

// openReports opens what the flags name.
func (l *loadtestCmd) openReports() (files reportFiles, err error) {
	if files.json, err = openReport("--json", l.JSON); err != nil {
		return files, err
	}
	if files.html, err = openReport("--html", l.HTML); err != nil {
		files.json.discard()
	}
	return files, err
}

func openReport(flag, path string) (*reportFile, error) {
	if path == "" {
		return nil, nil
	}
	const mode = 0o666 // the umask decides
	made := true
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		made = false
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, mode) // a link may lead to where nothing is yet
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return &reportFile{flag, f, made}, nil
}

// write writes both reports and closes them.
func (r reportFiles) write(rep *record.Report, sum *verdict.Summary, checks []report.Check) error {
	return errors.Join(
		r.json.write(func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", " ")
			return enc.Encode(rep)
		}),
		r.html.write(func(w io.Writer) error { return report.HTML(w, rep, sum, checks) }))
}

func (r *reportFile) write(content func(io.Writer) error) error {
	if r == nil {
		return nil
	}
	var err error
	if info, statErr := r.f.Stat(); statErr == nil && info.Mode().IsRegular() { // a pipe or a terminal has no length
		err = r.f.Truncate(0)
	}
	if err = errors.Join(err, content(r.f), r.f.Close()); err != nil {
		return fmt.Errorf("%s: %w", r.flag, err)
	}
	return nil
}

// discard closes both, and leaves nothing of a test that was not carried out.
func (r reportFiles) discard() {
	r.json.discard()
	r.html.discard()
}

func (r *reportFile) discard() {
	if r == nil {
		return
	}
	_ = r.f.Close()
	if r.made {
		_ = os.Remove(r.f.Name())
	}
}

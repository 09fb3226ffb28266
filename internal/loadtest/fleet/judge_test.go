package fleet

import (
	"io"
	"testing"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/report"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

// judge does what is done with a report.
func judge(t *testing.T, rep *record.Report) {
	sum := verdict.Judge(rep)
	_ = report.Text(sum, nil)
	if err := report.HTML(io.Discard, rep, sum, nil); err != nil {
		t.Fatal(err)
	}
	view := report.NewView(io.Discard, report.Header{Duration: time.Second}, func() int { return 80 })
	for _, s := range rep.Seconds {
		view.Second(s)
	}
}

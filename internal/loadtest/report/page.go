package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/verdict"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"brief": verdict.Brief, "percent": verdict.Percent, "count": verdict.Count, "rate": verdict.Rate, "cause": Cause,
	"q":     func(h *record.Histogram, q float64) string { return verdict.Brief(h.Quantile(q)) },
	"most":  func(h *record.Histogram) string { return verdict.Brief(h.Max()) },
	"cores": func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) },
	"mib":   func(b uint64) string { return verdict.Count(b>>20) + " MiB" },
}).Parse(pageSource))

// maxPeople is how many participants the page names one by one.
const maxPeople = 2000

// worstShown is how many the page puts in front.
const worstShown = 10

// content is what the page's template is filled with.
type content struct {
	*verdict.Summary
	Checks   []Check
	Unmet    int // checks
	Plots    []*plot
	Worst    []verdict.Person
	Troubled []verdict.Person // everybody with a reason
	Hidden   int              // of them, that are not shown
	Sizes    []size
	Plan     string
	When     string
	Media    bool
}

// size is how many streams arrive at a height.
type size struct{ Height, Streams int }

// HTML writes the page: one file without anything outside of it.
func HTML(w io.Writer, r *record.Report, s *verdict.Summary, checks []Check) error {
	c := content{Summary: s, Checks: checks, Plots: plots(r), When: r.Began.UTC().Format("2 January 2006, 15:04 UTC"), Media: s.Audio.Streams+s.Video.Streams > 0}
	for _, k := range checks {
		if !k.OK {
			c.Unmet++
		}
	}
	for i := range s.People {
		if len(s.People[i].Reasons) > 0 {
			c.Troubled = append(c.Troubled, s.People[i])
		}
	}
	c.Worst = c.Troubled[:min(len(c.Troubled), worstShown)]
	c.Hidden = max(len(c.Troubled)-maxPeople, 0)
	c.Troubled = c.Troubled[:len(c.Troubled)-c.Hidden]
	for h, n := range s.Heights {
		c.Sizes = append(c.Sizes, size{h, n})
	}
	slices.SortFunc(c.Sizes, func(a, b size) int { return b.Height - a.Height })
	plan, err := json.MarshalIndent(r.Plan, "", "  ")
	if err != nil {
		return err
	}
	if c.Plan = string(plan); len(c.Plan) > 20_000 {
		c.Plan = c.Plan[:20_000] + "\n… the JSON report has all of it"
	}
	return page.Execute(w, &c)
}

// plots makes the plots of what there is.
func plots(r *record.Report) []*plot {
	if len(r.Seconds) == 0 {
		return nil
	}
	sec := thin(r.Seconds)
	xs := make([]float64, len(sec))
	media := false
	for i := range sec {
		xs[i] = sec[i].At.Seconds()
		media = media || sec[i].PacketsIn > 0
	}
	values := func(f func(*record.Second) float64) []float64 {
		out := make([]float64, len(sec))
		for i := range sec {
			out[i] = f(&sec[i])
		}
		return out
	}
	number := func(v float64) string { return verdict.Count(uint64(v)) }
	out := []*plot{{
		ID: "joins", Title: "Participants over time", About: "How many were in a room, in the call, and had failed.", seconds: xs, write: number, whole: true,
		curves: []curve{
			{"in call", values(func(s *record.Second) float64 { return float64(s.InCall) })},
			{"in a room", values(func(s *record.Second) float64 { return float64(s.InRoom) })},
			{"failed", values(func(s *record.Second) float64 { return float64(s.Failed) })},
		},
	}}
	if media {
		out = append(out, mediaPlots(xs, values, number)...)
	}
	return append(out, cpuPlot(r, sec, xs))
}

func mediaPlots(xs []float64, values func(func(*record.Second) float64) []float64, number func(float64) string) []*plot {
	return []*plot{{
		ID: "delay", Title: "Delay from sender to receiver", About: "Half of a second's packets took no longer than the lower line, 99 % no longer than the upper.", seconds: xs,
		write: func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) + " ms" },
		curves: []curve{
			{"half", values(func(s *record.Second) float64 { return milliseconds(s.DelayP50) })},
			{"99 %", values(func(s *record.Second) float64 { return milliseconds(s.DelayP99) })},
		},
	}, {
		ID: "loss", Title: "Losses and freezes", About: "Packets missing in a second, before they were sent again, and pictures that froze.", seconds: xs, write: number, whole: true,
		curves: []curve{
			{"packets lost", values(func(s *record.Second) float64 { return float64(max(s.Lost, 0)) })},
			{"freezes", values(func(s *record.Second) float64 { return float64(s.Freezes) })},
		},
	}, {
		ID: "rate", Title: "Traffic", About: "What all participants together received and sent.", seconds: xs, write: func(v float64) string { return verdict.Rate(int64(v)) },
		curves: []curve{
			{"received", values(func(s *record.Second) float64 { return float64(s.BitsIn) })},
			{"sent", values(func(s *record.Second) float64 { return float64(s.BitsOut) })},
		},
	}}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpuPlot shows the generator, and the server if it is known.
func cpuPlot(r *record.Report, sec []record.Second, xs []float64) *plot {
	p := &plot{
		ID: "cpu", Title: "Processors", About: fmt.Sprintf("Cores used by the generator, which has %d.", r.Machine.Cores), seconds: xs,
		write: func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) },
	}
	generator, server := curve{Name: "generator"}, curve{Name: "server"}
	for i := range sec {
		generator.values = append(generator.values, sec[i].CPU)
		if r.Server != nil {
			server.values = append(server.values, nearest(r.Server.Samples, sec[i].At).CPU)
		}
	}
	p.curves = []curve{generator}
	if r.Server != nil && len(r.Server.Samples) > 0 {
		p.curves = append(p.curves, server)
		p.About = fmt.Sprintf("Cores used by the generator, which has %d, and by the server.", r.Machine.Cores)
	}
	return p
}

// nearest finds the sample closest to a moment.
func nearest(all []record.ServerSample, at time.Duration) record.ServerSample {
	var best record.ServerSample
	for i, s := range all {
		if i == 0 || (s.At-at).Abs() < (best.At-at).Abs() {
			best = s
		}
	}
	return best
}

// thin leaves one of several seconds, with the worst of each figure, when there
// are more than a plot can show.
func thin(all []record.Second) []record.Second {
	every := (len(all) + maxPoints - 1) / maxPoints
	if every <= 1 {
		return all
	}
	var out []record.Second
	for part := range slices.Chunk(all, every) {
		s := part[len(part)-1]
		for _, o := range part {
			s.Lost, s.Freezes, s.Failed = max(s.Lost, o.Lost), max(s.Freezes, o.Freezes), max(s.Failed, o.Failed)
			s.DelayP50, s.DelayP99, s.CPU = max(s.DelayP50, o.DelayP50), max(s.DelayP99, o.DelayP99), max(s.CPU, o.CPU)
			s.BitsIn, s.BitsOut = max(s.BitsIn, o.BitsIn), max(s.BitsOut, o.BitsOut)
		}
		out = append(out, s)
	}
	return out
}

// JoinP and DelayP are the summary's, as pointers: a histogram's methods need
// them, and templates do not take addresses.
func (c *content) JoinP() *record.Histogram { return &c.Join }

// DelayP is like JoinP.
func (c *content) DelayP() *record.Histogram { return &c.Delay }

// stepRow is a step in the page's table.
type stepRow struct{ *verdict.StepSum }

// TookP is like JoinP.
func (r stepRow) TookP() *record.Histogram { return &r.Took }

// StepRows are the steps.
func (c *content) StepRows() []stepRow {
	var out []stepRow
	for i := range c.Steps {
		out = append(out, stepRow{&c.Steps[i]})
	}
	return out
}

// kindRow is audio or video in the page's table.
type kindRow struct {
	Name string
	*verdict.Kind
}

// JitterP is like JoinP.
func (r kindRow) JitterP() *record.Histogram { return &r.Jitter }

// Kinds are audio and video.
func (c *content) Kinds() []kindRow { return []kindRow{{"audio", &c.Audio}, {"video", &c.Video}} }

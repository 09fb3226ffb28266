package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest"
	"github.com/plenum-conf/plenum/internal/loadtest/media"
	"github.com/plenum-conf/plenum/internal/loadtest/record"
)

type loadtestCmd struct {
	URL          string        `arg:"" help:"The deployment: https://meet.example or http://localhost:8080."`
	Rooms        int           `default:"1" help:"How many rooms."`
	Participants int           `default:"3" help:"How many participants in each room."`
	Audio        int           `default:"-1" help:"How many of a room have a microphone; -1 for all."`
	Video        int           `default:"-1" help:"How many of a room have a camera; -1 for all."`
	Screens      int           `default:"0" help:"How many of a room share their screen."`
	Duration     time.Duration `default:"30s" help:"How long the test lasts."`
	Ramp         time.Duration `default:"0s" help:"Over which time participants come in."`
	Layout       string        `default:"tile" enum:"tile,stage" help:"What participants look at: tile or stage."`
	Codec        string        `default:"vp8" enum:"vp8,vp9" help:"Codec of the cameras: vp8 (simulcast) or vp9."`

	SignallingOnly bool          `help:"Join rooms, and decline media."`
	BreakEvery     time.Duration `help:"Let each signalling connection break about this often, to be resumed."`
	RoomPrefix     string        `default:"loadtest" help:"Rooms are named PREFIX-1, PREFIX-2, ..."`
	OpenOneIn      int           `default:"8" help:"Decrypt one picture in this many; 1 for all."`

	Token        string `env:"PLENUM_LOADTEST_TOKEN" help:"JWT for all participants."`
	User         string `help:"Log in with this account."`
	Password     string `env:"PLENUM_LOADTEST_PASSWORD" help:"Password of the account."`
	RoomPassword string `help:"Password of the rooms."`
	Insecure     bool   `short:"k" help:"Accept any TLS certificate."`

	Request   string `default:"auto" enum:"auto,http,iq" help:"How to ask for the conference: auto does what config.js says."`
	Channel   string `default:"auto" enum:"auto,websocket,sctp" help:"Kind of the bridge channel."`
	Rewriting string `default:"auto" enum:"auto,on,off" help:"Advertise SSRC rewriting."`

	JSON       string  `name:"json" placeholder:"FILE" help:"Write everything that was measured to this file."`
	CPUProfile string  `placeholder:"FILE" help:"Write a Go profile of the generator itself to this file."`
	MaxLoss    float64 `default:"1" help:"More lost packets than this, in percent, are a failure."`
}

// plan makes the plan that the flags describe.
func (l *loadtestCmd) plan() loadtest.Plan {
	p := loadtest.Simple{
		URL: l.URL, Rooms: l.Rooms, Participants: l.Participants, Audio: l.Audio, Video: l.Video, Screens: l.Screens,
		Duration: l.Duration, Ramp: l.Ramp, Layout: loadtest.Layout(l.Layout), Codec: media.Codec(strings.ToUpper(l.Codec)),
		Signalling: l.SignallingOnly, RoomPrefix: l.RoomPrefix, BreakEvery: l.BreakEvery,
	}.Plan()
	auto := func(s string) string { return strings.TrimPrefix(s, "auto") }
	p.Request, p.Channel, p.Rewriting = auto(l.Request), auto(l.Channel), auto(l.Rewriting)
	p.Token, p.User, p.Password, p.RoomPassword = l.Token, l.User, l.Password, l.RoomPassword
	p.Insecure, p.OpenOneIn = l.Insecure, l.OpenOneIn
	return p
}

// Run carries the test out, says each second how it goes, and at the end what
// came of it. It fails when something has.
func (l *loadtestCmd) Run(out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if l.CPUProfile != "" {
		f, err := os.Create(l.CPUProfile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer func() {
			pprof.StopCPUProfile()
			_ = f.Close()
		}()
	}
	rep, err := loadtest.Run(ctx, l.plan(), loadtest.Options{OnSecond: func(s record.Second) {
		_, _ = fmt.Fprintln(out, record.Line(s))
	}})
	if err != nil {
		return err
	}
	if l.JSON != "" {
		if err := writeJSON(l.JSON, rep); err != nil {
			return err
		}
	}
	sum := rep.Sum()
	_, _ = io.WriteString(out, "\n"+sum.Text())
	if problems := sum.Problems(l.MaxLoss / 100); len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

func writeJSON(path string, rep *record.Report) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	enc.SetIndent("", " ")
	return errors.Join(enc.Encode(rep), f.Close())
}

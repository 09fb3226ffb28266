package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/plenum-conf/plenum/internal/loadtest/record"
	"github.com/plenum-conf/plenum/internal/loadtest/site"
	"github.com/plenum-conf/plenum/internal/loadtest/wire"
)

// maxAnswer bounds what is read of an HTTP answer.
const maxAnswer = 64 << 10

// request asks for the conference over HTTP until it is ready, and returns
// the focus's address.
func (p *participant) request(ctx context.Context) (focus string, err error) {
	for try := 1; ; try++ {
		ready, focus, err := p.requestOnce(ctx)
		if err != nil || ready {
			return focus, err
		}
		select {
		case <-time.After(wire.Backoff(try)):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

type conferenceAnswer struct {
	Ready      bool              `json:"ready"`
	FocusJID   string            `json:"focusJid"`
	VNode      string            `json:"vnode"`
	Properties map[string]string `json:"properties"`
}

func (p *participant) requestOnce(ctx context.Context) (ready bool, focus string, err error) {
	body, _ := json.Marshal(map[string]any{ //nolint:errchkjson // plain values
		"room": p.room.name + "@" + p.r.site.MUC, "machineUid": fmt.Sprintf("%032x", p.index+1),
		"properties": map[string]any{"rtcstatsEnabled": false, "visitors-version": 1},
	})
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	u := site.WithQuery(p.r.site.Request, "room", p.room.name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return false, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", p.r.dialer.origin)
	if p.r.plan.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.r.plan.Token)
	}
	res, err := p.r.http.Do(req)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return false, "", err
	case res.StatusCode == http.StatusForbidden:
		return false, "", errors.New("the conference request was refused: this room has to be started by somebody who is logged in")
	case res.StatusCode != http.StatusOK:
		return false, "", fmt.Errorf("the conference request was answered with %s", res.Status)
	}
	var a conferenceAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return false, "", fmt.Errorf("the answer to the conference request is no JSON: %.80q", data)
	}
	if a.Properties == nil {
		p.story.wrong(record.Request, "the answer to the conference request has no properties; web clients stop there", false)
	}
	if a.VNode != "" {
		p.story.wrong(record.Request, "the focus sends this participant to a visitor node, which is not supported", false)
	}
	return a.Ready, a.FocusJID, nil
}

// keepAlive is the GET that clients repeat while a stream is open.
func (p *participant) keepAlive() {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	u := site.WithQuery(p.r.site.KeepAlive, "room", p.room.name)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return
	}
	req.Header.Set("Origin", p.r.dialer.origin)
	res, err := p.r.http.Do(req)
	if err != nil {
		if p.ctx.Err() == nil {
			p.story.wrong("", "keepalive: "+cause(err), false)
		}
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		p.story.wrong("", "keepalive: "+res.Status, false)
	}
	p.story.add(&p.story.keepAlives)
}

package cluster

import (
	"context"
	"reflect"
	"testing"

	"github.com/plenum-conf/plenum/internal/colibri"
	"github.com/plenum-conf/plenum/internal/media"
	"github.com/plenum-conf/plenum/internal/source"
)

// scribbler is a bridge that keeps and overwrites everything it is given.
type scribbler struct{ answer *colibri.ConferenceModified }

func (s *scribbler) Modify(_ context.Context, req *colibri.ConferenceModify) (*colibri.ConferenceModified, error) {
	e := &req.Endpoints[0]
	e.ID, e.Media[0].PayloadTypes[0].Parameters[0].Value = "gone", "gone"
	e.Transport.Candidates[0].Type, e.Transport.Fingerprint.Value = "gone", "gone"
	e.Sources.Sources[0].Name, e.Sources.Groups[0].SSRCs[0] = "gone", 99
	e.ForceMute.Audio, *e.InitialLastN = true, 99
	return s.answer, nil
}

func request() *colibri.ConferenceModify {
	n := 5
	return &colibri.ConferenceModify{MeetingID: "m", Endpoints: []colibri.EndpointModify{{
		ID: "0a1b2c3d", Media: []media.Description{{Kind: media.Audio, PayloadTypes: []media.PayloadType{{ID: 111, Parameters: []media.Parameter{{Name: "a", Value: "b"}}}}}},
		Transport: &media.Transport{Ufrag: "u", Fingerprint: &media.Fingerprint{Value: "AB"}, Candidates: []media.Candidate{{Type: "host"}}},
		Sources:   &source.Set{Sources: []source.Source{{SSRC: 1, Name: "x"}}, Groups: []source.Group{{SSRCs: []uint32{1, 2}}}},
		ForceMute: &colibri.ForceMute{}, InitialLastN: &n,
	}}}
}

func TestNothingIsShared(t *testing.T) {
	answer := &colibri.ConferenceModified{Endpoints: []colibri.EndpointModified{{ID: "e", Transport: &media.Transport{Candidates: []media.Candidate{{Type: "host"}}}}}}
	b := NewLocalBridge(&scribbler{answer})
	req := request()
	got, err := b.Modify(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(req, request()) {
		t.Errorf("the bridge changed the focus's request: %+v", req.Endpoints[0])
	}
	got.Endpoints[0].Transport.Candidates[0].Type = "gone"
	if answer.Endpoints[0].Transport.Candidates[0].Type != "host" {
		t.Error("the focus changed the bridge's answer")
	}
}

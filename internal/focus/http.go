package focus

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/plenum-conf/plenum/internal/quota"
	"github.com/plenum-conf/plenum/internal/xmpp"
)

// maxBody is the longest conference request that is read, in bytes.
const maxBody = 32 << 10

// Handler serves POST and OPTIONS of /conference-request/v1.
func (f *Focus) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /conference-request/v1", f.serveRequest)
	mux.HandleFunc("OPTIONS /conference-request/v1", func(w http.ResponseWriter, _ *http.Request) {
		allowOrigins(w.Header())
		w.WriteHeader(http.StatusOK)
	})
	return mux
}

// allowOrigins lets pages of any origin ask (CORS): mobile apps and embedding
// pages do, and the answer holds nothing of anybody.
func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Content-Type, Authorization")
	h.Set("Access-Control-Max-Age", "86400")
}

// httpRequest is the part of a request's JSON that matters here.
type httpRequest struct {
	Room string `json:"room"`
}

// httpResponse is what clients read. Properties must be an object even when
// it is empty: clients look into it without asking.
type httpResponse struct {
	Room       string            `json:"room"`
	Ready      bool              `json:"ready"`
	FocusJID   string            `json:"focusJid"`
	Properties map[string]string `json:"properties"`
}

// parseHTTPRequest reads a request's body.
func parseHTTPRequest(r io.Reader) (httpRequest, error) {
	var req httpRequest
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return req, err
	}
	if len(body) > maxBody {
		return req, errors.New("request too long")
	}
	return req, json.Unmarshal(body, &req)
}

// bodyTimeout is how long a client may take to send its request.
const bodyTimeout = 10 * time.Second

func (f *Focus) serveRequest(w http.ResponseWriter, r *http.Request) {
	allowOrigins(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	// A body that dribbles in must not hold a connection for ever. Recorders
	// in tests have no deadlines; what cannot be set is not needed.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	req, err := parseHTTPRequest(r.Body)
	_ = control.SetReadDeadline(time.Time{}) // waiting for the room takes its own time
	room, ok := f.parseRoom(req.Room)
	if err != nil || !ok {
		f.met.requests.WithLabelValues("refused").Inc()
		http.Error(w, "error 400 bad-request", http.StatusBadRequest)
		return
	}
	ready, refusal, ok := f.await(r, room)
	if !ok {
		return // the client has gone
	}
	f.met.requests.WithLabelValues(outcome(ready, refusal)).Inc()
	if refusal != nil {
		http.Error(w, "error 503 "+refusal.Condition, http.StatusServiceUnavailable)
		return
	}
	f.writeResponse(w, req.Room, ready)
}

// await makes the request and waits for its answer.
func (f *Focus) await(r *http.Request, room xmpp.JID) (ready bool, refusal *xmpp.StanzaError, ok bool) {
	type answer struct {
		ready   bool
		refusal *xmpp.StanzaError
	}
	answers := make(chan answer, 1)
	f.request(room, asker{address: quota.Client(r.RemoteAddr)}, func(ready bool, err *xmpp.StanzaError) { answers <- answer{ready, err} })
	select {
	case a := <-answers:
		return a.ready, a.refusal, true
	case <-f.quit:
		return false, nil, true
	case <-r.Context().Done():
		return false, nil, false
	}
}

func (f *Focus) writeResponse(w http.ResponseWriter, room string, ready bool) {
	resp := httpResponse{
		Room: room, Ready: ready, FocusJID: f.self.Bare().String(),
		Properties: make(map[string]string, len(properties)),
	}
	for _, p := range properties {
		resp.Properties[p[0]] = p[1]
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(resp) //nolint:errcheck // the client has gone
}

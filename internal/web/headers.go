package web

import (
	"net/http"
	"strconv"
	"strings"
)

// pagePolicy is the Content-Security-Policy of our own pages. Scripts and
// styles come from this server only. Bridges may stand on other hosts, so
// WebSockets may go anywhere. Meetings may be embedded in frames, so there is
// no frame-ancestors.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
	"media-src 'self' blob: mediastream:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; " +
	"connect-src 'self' wss: ws:"

// policy is pagePolicy for this server. When config.js names a public URL,
// the page may have been loaded from elsewhere and still must reach that.
func (s *server) policy() string {
	if s.opt.PublicURL == "" {
		return pagePolicy
	}
	return pagePolicy + " " + strings.TrimSuffix(s.opt.PublicURL, "/")
}

// permissionsPolicy leaves camera, microphone and screen to the page and to
// whoever embeds it, and takes what a meeting never needs.
const permissionsPolicy = "camera=*, microphone=*, display-capture=*, geolocation=(), payment=()"

func (s *server) setCommonHeaders(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "strict-origin")
	if s.isSecure(r) {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
}

// setDoorHeaders lets pages of other origins use the addresses of other roles.
func (s *server) setDoorHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Requested-With")
	h.Set("Access-Control-Expose-Headers", "X-Jitsi-Shard")
	if s.opt.Shard != "" {
		h.Set("X-Jitsi-Shard", s.opt.Shard)
	}
}

// writeBody sends a whole small answer; HEAD gets the headers only.
func writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone; there is nobody to tell
	}
}

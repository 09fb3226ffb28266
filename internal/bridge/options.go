package bridge

import (
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plenum-conf/plenum/internal/bridge/alloc"
	"github.com/plenum-conf/plenum/internal/netio"
)

// Options is what a bridge is built from. [DefaultOptions] fills everything
// that has a sensible default.
type Options struct {
	// Listen is the one UDP address media arrives at. An unspecified IP
	// means every interface.
	Listen netip.AddrPort
	// Workers is the number of sockets and goroutines that carry media;
	// 0 means one for each processor Go may use.
	Workers int
	// Advertise lists addresses clients reach this bridge at which the
	// machine itself does not know (1:1 NAT). Port 0 means the port of Listen.
	Advertise []netip.AddrPort
	// PublicURL is where clients reach the web server ("https://meet.example");
	// the bridge channel's URLs are made from it. Empty offers no WebSocket.
	PublicURL string
	// ServerID is the path element that tells this bridge's channel URLs from
	// those of others. Letters, digits, '-', '_' and '.'.
	ServerID string
	// ReadBuffer is the kernel's receive buffer of each socket, in bytes.
	ReadBuffer int
	// NoOffload sends and receives datagram by datagram, to measure what
	// offload is worth.
	NoOffload bool
	Limits    Limits
	// Loudest says when not everybody's audio is forwarded any more.
	Loudest Loudest
	// LastNLimits bounds the videos everybody gets, by the size of the
	// conference: the number of endpoints from which on -> videos. -1 is no
	// limit. It must not be changed once the bridge was made.
	LastNLimits map[int]int
	// Log and Metrics may be nil.
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Loudest is about conferences in which too many microphones are open for
// everybody to be sent all of them.
type Loudest struct {
	// Above is the number of audio sources in a conference up to which all are
	// forwarded.
	Above int
	// Speakers is how many are forwarded at a time in larger conferences,
	// besides those that a receiver asks for by name. 0 forwards all.
	Speakers int
}

// lastN is the limit of videos in a conference of so many endpoints: that of
// the greatest size in the table that is not greater.
func (o *Options) lastN(endpoints int) int {
	best, limit := -1, alloc.Unlimited
	for size, n := range o.LastNLimits {
		if size <= endpoints && size > best {
			best, limit = size, n
		}
	}
	return limit
}

// Limits bounds what peers and the focus can make a bridge hold.
type Limits struct {
	// EndpointsPerConference: one more is refused with BadRequest.
	EndpointsPerConference int
	// SourcesPerEndpoint counts SSRCs; a larger set is refused.
	SourcesPerEndpoint int
	// Slots is how many SSRCs of a kind a receiver is sent at most, if SSRCs are
	// rewritten for it. 1 to 100.
	Slots int
	// Mailbox is the number of waiting events of a worker, beyond which
	// packets handed over and channel messages are dropped.
	Mailbox int
	// AddressesPerEndpoint: the oldest binding is dropped beyond it.
	AddressesPerEndpoint int
	// ChannelMessage is the longest bridge channel message taken, in bytes.
	ChannelMessage int
	// ChannelOutbox is what may wait for a slow WebSocket, in bytes; a client
	// behind by more is disconnected and connects again.
	ChannelOutbox int
	// NeverConnected ends an endpoint that has never completed ICE.
	NeverConnected time.Duration
	// Inactive ends an endpoint from which nothing, not even consent, came.
	Inactive time.Duration
	// EmptyConference ends a conference in which no endpoint was ever made.
	EmptyConference time.Duration
	// NoChannel is how long after connecting an endpoint may be without a
	// bridge channel before it is given video as if it had asked for thumbnails.
	NoChannel time.Duration
}

// DefaultOptions returns what runs on one machine without any configuration.
func DefaultOptions() Options {
	return Options{
		Listen:     netip.AddrPortFrom(netip.IPv6Unspecified(), 10000),
		ServerID:   "plenum",
		ReadBuffer: 10 << 20,
		Limits:     DefaultLimits(),
		Loudest:    Loudest{Above: 20, Speakers: 5},
	}
}

// DefaultLimits returns the bounds a bridge has unless told otherwise.
func DefaultLimits() Limits {
	return Limits{
		EndpointsPerConference: 2000,
		SourcesPerEndpoint:     64,
		Slots:                  50,
		Mailbox:                1 << 14,
		AddressesPerEndpoint:   16,
		ChannelMessage:         64 << 10,
		ChannelOutbox:          1 << 20,
		NeverConnected:         2 * time.Minute,
		Inactive:               time.Minute,
		EmptyConference:        20 * time.Second,
		NoChannel:              5 * time.Second,
	}
}

var (
	errNoListen = errors.New("bridge: no listen address")
	errServerID = errors.New("bridge: server id holds a character that would need escaping in a URL")
)

// complete checks o and fills what was left open.
func (o *Options) complete() error {
	if !o.Listen.IsValid() {
		return errNoListen
	}
	if strings.Trim(o.ServerID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" || o.ServerID == "" {
		return errServerID
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Workers > maxWorkers {
		o.Workers = maxWorkers
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	return nil
}

// WorkerMemory is what a worker takes at most for what it receives and sends,
// in bytes of heap, whatever it carries; what it keeps of conferences is beside
// that.
const WorkerMemory = netio.MaxMemory

// maxWorkers is what the worker's part of an ICE user name can tell apart.
const maxWorkers = 256

// channelBase turns the public URL into the base of channel URLs, without a
// slash at the end; "" when there is none.
func (o *Options) channelBase() string {
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Host == "" {
		return ""
	}
	scheme := "wss"
	if u.Scheme == "http" || u.Scheme == "ws" {
		scheme = "ws"
	}
	return scheme + "://" + u.Host + channelPath + o.ServerID
}

// localOnly reports whether clients are told to come through the loopback
// interface, so that candidates on it make sense.
func (o *Options) localOnly() bool {
	u, err := url.Parse(o.PublicURL)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

-- Prosody as a Jitsi deployment uses it for its clients, with everything left
-- out that the storm does not need. The benchmark fills in the words in
-- braces. "generational" and "incremental" are tried in turn: which one is
-- right is one of the questions on Jitsi's forum.
run_as_root = true
pidfile = "{{.Dir}}/prosody.pid"
data_path = "{{.Dir}}"
certificates = "{{.Dir}}"
plugin_paths = { }
log = { error = "{{.Dir}}/prosody.err" }
network_backend = "epoll"
network_settings = { tcp_backlog = 511 }
gc = { {{.GC}} }
storage = "memory"
interfaces = { "127.0.0.1" }
c2s_ports = { }
s2s_ports = { }
http_ports = { {{.Port}} }
http_interfaces = { "127.0.0.1" }
https_ports = { }
http_default_host = "localhost"
http_paths = { websocket = "/xmpp-websocket" }
consider_websocket_secure = true
modules_enabled = { "saslauth", "disco", "ping", "posix", "smacks", "websocket" }
modules_disabled = { "s2s", "offline", "tls" }
smacks_max_unacked_stanzas = 5
smacks_hibernation_time = 60
smacks_max_old_sessions = 1
-- As Jitsi's own configuration has it for large rooms.
muc_room_cache_size = 10000

VirtualHost "localhost"
	authentication = "anonymous"

Component "conference.localhost" "muc"
	muc_room_locking = false
	muc_room_default_public_jids = true
	muc_room_default_presence_broadcast = { visitor = true; participant = true; moderator = true; }

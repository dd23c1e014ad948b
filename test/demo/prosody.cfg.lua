-- The demo's Prosody: throw-away data, no TLS, no other servers. Prosody shows $NAME of its environment as ENV_NAME.
run_as_root = true          -- lets root try the demo; of no effect for others
pidfile = ENV_DEMO_FOLDER.."/prosody.pid"
data_path = ENV_DEMO_FOLDER.."/data"
certificates = ENV_DEMO_FOLDER
plugin_paths = { ENV_DEMO_TAP_FOLDER }
log = { info = "*console" }

interfaces = { ENV_DEMO_ADDRESS }
component_interfaces = { ENV_DEMO_ADDRESS }
c2s_ports = { tonumber(ENV_DEMO_CLIENT_PORT) }
component_ports = { tonumber(ENV_DEMO_COMPONENT_PORT) }

authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
modules_disabled = { "s2s", "tls" }
modules_enabled = { "roster", "saslauth", "disco", "ping" }

VirtualHost "localhost"
	modules_enabled = { "event_pusher_tap" }
	event_pusher_tap_to = "push.localhost"

Component "push.localhost"
	component_secret = ENV_DEMO_SECRET

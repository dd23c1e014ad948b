-- Prosody for tests: loopback only, throw-away data, neither TLS nor s2s. prosody.ts fills in the @marks@.
run_as_root = true          -- lets root start it in a container; of no effect for others
pidfile = "@FOLDER@/prosody.pid"
data_path = "@FOLDER@/data"
certificates = "@FOLDER@"
plugin_paths = { "@TAPS@" }
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { @C2S_PORT@ }
component_ports = { @COMPONENT_PORT@ }
log = { info = "*console" }

authentication = "internal_plain"
storage = "internal"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
modules_disabled = { "s2s", "tls" }
modules_enabled = {
	"roster", "saslauth", "disco", "carbons", "pep", "blocklist", "ping", "smacks", "csi_simple", "mam",
}
limits = {}                 -- tests must not measure a throttle

@GLOBAL@

@HOSTS@

Component "conference.localhost" "muc"
	restrict_room_creation = false
	muc_room_locking = false
	modules_enabled = { "muc_mam" }

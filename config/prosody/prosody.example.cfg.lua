VirtualHost "example.com"
	modules_enabled = { "event_pusher_tap" }
	event_pusher_tap_to = "nosuch.example.com"

Component "push.example.com"
	component_secret = "a long random secret"

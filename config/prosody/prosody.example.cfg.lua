VirtualHost "example.com"
	modules_enabled = { "event_pusher_tap" }
	event_pusher_tap_to = "push.example.com"

Component "push.example.com"
	component_secret = "a long random secret"

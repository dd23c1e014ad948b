VirtualHost "example.com"
	modules_enabled = { "firewall" }
	firewall_scripts = { "/etc/prosody/mod_firewall.pfw" }

Component "push.example.com"
	component_secret = "a long random secret"

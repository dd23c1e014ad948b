-- Sends copies (XEP-0297) of the stanzas of this host's users to xmpp-event-pusher. It must be connected to the same
-- Prosody (0.12 or later) as an external component (XEP-0114). To install:
--   1. install -D -m 644 mod_event_pusher_tap.lua /usr/local/lib/prosody/modules/mod_event_pusher_tap.lua
--      (this is Debian's folder; you can use any other folder of plugin_paths)
--   2. add the lines of prosody.example.cfg.lua to prosody.cfg.lua
--   3. restart Prosody
--
--   event_pusher_tap_to         = "push.example.com"   -- required: the component's domain
--   event_pusher_tap_directions = { "sent" }           -- and "received"
--   event_pusher_tap_kinds      = { "message" }        -- and "presence", "iq"
--   event_pusher_tap_buffer     = 0                    -- the last N copies are kept while the component is away
--
-- A copy comes from the host, to sent@COMPONENT (a local user sent the stanza) or received@COMPONENT (it is addressed to
-- a local user). Each stanza is copied once for each direction, even if it goes to several resources or has carbons.
local st = require "util.stanza";
local jid = require "util.jid";
local timestamp = require "util.datetime".datetime;
local new_id = require "util.id".medium;
local new_queue = require "util.queue".new;

local targets = { sent = { "bare", "full", "host" }, received = { "bare", "full" } };
local known_kinds = { message = true, presence = true, iq = true };

local component = jid.prep(module:get_option_string("event_pusher_tap_to"));
assert(component, 'event_pusher_tap_to is missing or no domain; write event_pusher_tap_to = "push.example.com"');

local function words(option, default, known)
	local chosen = module:get_option_set(option, { default });
	for word in chosen do
		assert(known[word], option..": "..tostring(word).." is none of its values");
	end
	return chosen;
end
local directions = words("event_pusher_tap_directions", "sent", targets);
local kinds = words("event_pusher_tap_kinds", "message", known_kinds);
local buffer_size = module:get_option_number("event_pusher_tap_buffer", 0);

local waiting = new_queue(math.max(buffer_size, 1), true);
local told = {};
local not_active = "No component %s is active here: nothing is copied to it";

local function warn_once(text, ...)
	if told[text] then return end
	told[text] = true;
	module:log("warn", text, ...);
end

local function hand_over()
	for copy in waiting:consume() do module:send(copy) end
end

-- Each activation of the component's host makes a new host object, with its own events.
local function listen(host)
	if host == component and prosody.hosts[host] then
		told[not_active] = nil;
		module:hook_object_event(prosody.hosts[host].events, "component-authenticated", hand_over, -10);
	end
end
module:hook_global("host-activated", listen);
listen(component);

-- Prosody calls these two when the module is reloaded.
function module.save()
	local copies = {};
	for _, copy in waiting:items() do table.insert(copies, copy) end
	return copies;
end

function module.restore(copies)
	for _, copy in ipairs(buffer_size > 0 and copies or {}) do waiting:push(copy) end
end

local function wrap(stanza, direction)
	local copy = st.clone(stanza);
	copy.attr.xmlns = "jabber:client";
	copy.attr.to = copy.attr.to or jid.bare(copy.attr.from);   -- without `to`, a stanza is for its sender's own account
	return st.message({ from = module.host, to = direction.."@"..component, id = new_id() })
		:tag("forwarded", { xmlns = "urn:xmpp:forward:0" })
			:tag("delay", { xmlns = "urn:xmpp:delay", from = module.host, stamp = timestamp() }):up()
			:add_child(copy):reset();
end

-- The history that a room sends to a user who joins (XEP-0045, "Discussion History") has a delay (XEP-0203) from the room.
local function is_room_history(stanza)
	for delay in stanza:childtags("delay", "urn:xmpp:delay") do
		if stanza.attr.type == "groupchat" and delay.attr.from == jid.bare(stanza.attr.from) then return true end
	end
	return false;
end

local function tap(stanza, direction)
	if jid.host(stanza.attr.to) == component then return end   -- the component gets this stanza anyway
	if direction == "received" and is_room_history(stanza) then return end
	local host = prosody.hosts[component];
	local listener = host and host.modules.component;
	if not listener then warn_once(not_active, component) end
	if listener and listener.connected then
		module:send(wrap(stanza, direction));
	elseif buffer_size > 0 then
		waiting:push(wrap(stanza, direction));
	end   -- else nothing is sent: Prosody would log a warning for each copy
end

for direction in directions do
	for kind in kinds do
		for _, target in ipairs(targets[direction]) do
			local event_name = (direction == "sent" and "pre-" or "")..kind.."/"..target;
			-- 0.2: after the blocklist, before the archive and carbons.
			module:hook(event_name, function (event)
				-- With an error in a hook, Prosody would not deliver the user's stanza.
				local ok, problem = pcall(tap, event.stanza, direction);
				if not ok then warn_once("A stanza could not be copied: %s (told once)", problem) end
			end, 0.2);
		end
	end
end

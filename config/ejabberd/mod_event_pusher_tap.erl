%% Sends copies (XEP-0297) of the stanzas of this server's users to xmpp-event-pusher, which is connected as an external
%% component (XEP-0114). For ejabberd 23.01 or later. To install:
%%   1. compile this file with erlc into a separate folder (README.md has the commands)
%%   2. add "-pa FOLDER" to ERL_OPTIONS in ejabberdctl.cfg; on Debian: /etc/default/ejabberd
%%   3. add the lines of mod_event_pusher_tap.yml to ejabberd.yml, and restart ejabberd
%%
%%   to: push.example.com      required: the component's domain
%%   directions: [sent]        and received
%%   kinds: [message]          and presence, iq
%%
%% A copy comes from the host, to sent@COMPONENT (a local user sent the stanza) or received@COMPONENT (it is addressed to
%% a local user). Each stanza is copied once for each direction, even if it goes to several resources or has carbons.
-module(mod_event_pusher_tap).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([user_send_packet/1, sm_receive_packet/1, c2s_self_presence/1, c2s_terminated/2]).
-include_lib("kernel/include/logger.hrl").
-include("xmpp.hrl").

%% Sent stanzas: first, because the archive and carbons change them later (50, 89). Received stanzas: after modules that
%% drop them (mod_block_strangers, 25), and before the archive (50).
-define(SENT_PRIORITY, 1).
-define(RECEIVED_PRIORITY, 40).
%% After XEP-0198, which keeps a session whose connection is lost (50), and before the session is forgotten (100).
-define(GONE_PRIORITY, 90).
%% The last known state of a component. All processes share it as an atomic, so that only one logs each change.
-define(NOT_YET, 0).
-define(HERE, 1).
-define(AWAY, 2).

start(Host, #{to := Component}) ->
    seen(Component),
    [ejabberd_hooks:add(Hook, Host, ?MODULE, Hook, Priority) || {Hook, Priority} <- hooks()],
    ok.

stop(Host) ->
    [ejabberd_hooks:delete(Hook, Host, ?MODULE, Hook, Priority) || {Hook, Priority} <- hooks()],
    ok.

hooks() ->
    [{user_send_packet, ?SENT_PRIORITY}, {sm_receive_packet, ?RECEIVED_PRIORITY},
     {c2s_self_presence, ?GONE_PRIORITY}, {c2s_terminated, ?GONE_PRIORITY}].

reload(_Host, _NewOptions, _OldOptions) -> ok.
depends(_Host, _Options) -> [].
mod_options(_Host) -> [to, {directions, [sent]}, {kinds, [message]}].
mod_opt_type(to) -> econf:domain();
mod_opt_type(directions) -> econf:list(econf:enum([sent, received]));
mod_opt_type(kinds) -> econf:list(econf:enum([message, presence, iq])).
mod_doc() -> #{desc => <<"Hands copies of users' stanzas to the component of xmpp-event-pusher.">>}.

user_send_packet({Packet, _State} = Acc) ->
    guard(fun() -> tap(sent, xmpp:get_from(Packet), Packet) end),
    Acc.

%% Runs once for each stanza that is routed to a local user, before it goes to the user's resources.
sm_receive_packet(Packet) ->
    To = xmpp:get_to(Packet),
    case is_repetition(Packet, To) of
        true -> Packet;
        false ->
            guard(fun() -> tap(received, To, Packet) end),
            xmpp:put_meta(Packet, ?MODULE, To)
    end.

%% Carbons, offline messages at login, stanzas that XEP-0198 routes again after a lost connection, and the history that a
%% room sends to a user who joins.
is_repetition(Packet, To) ->
    xmpp:get_meta(Packet, carbon_copy, false)
        orelse xmpp:get_meta(Packet, from_offline, false)
        orelse xmpp:get_meta(Packet, ?MODULE, undefined) =:= To
        orelse is_room_history(Packet).

%% Room history has a delay (XEP-0203) from the room (XEP-0045, "Discussion History").
is_room_history(#message{type = groupchat, from = From} = Packet) ->
    Room = jid:remove_resource(jid:tolower(From)),
    lists:any(fun(#delay{from = Maker}) -> Maker =/= undefined andalso jid:tolower(Maker) =:= Room end,
              xmpp:get_subtags(Packet, #delay{stamp = {0, 0, 0}}));
is_room_history(_Packet) -> false.

%% The user sends "unavailable". ejabberd also sends it to all addresses that got directed presence (such as rooms).
c2s_self_presence({#presence{type = unavailable}, State} = Acc) ->
    gone(State, []),
    Acc;
c2s_self_presence(Acc) -> Acc.

%% The session ends. If the user did not send "unavailable", ejabberd sends it for the user.
c2s_terminated(#{jid := Jid, pres_last := _} = State, _Reason) ->
    gone(State, [jid:remove_resource(Jid)]),
    State;
c2s_terminated(State, _Reason) ->
    gone(State, []),
    State.

gone(#{jid := Jid, pres_a := Named}, Others) ->
    guard(fun() ->
        [tap(sent, Jid, #presence{type = unavailable, from = Jid, to = To})
         || To <- Others ++ [jid:make(Name) || Name <- gb_sets:to_list(Named)]]
    end);
gone(_State, _Others) -> ok.

tap(Direction, #jid{lserver = Host}, Packet) ->
    #{to := Component, directions := Directions, kinds := Kinds} = gen_mod:get_module_opts(Host, ?MODULE),
    To = xmpp:get_to(Packet),
    case lists:member(Direction, Directions)
        andalso lists:member(element(1, Packet), Kinds)
        andalso To#jid.lserver =/= Component                % the component gets this stanza anyway
        andalso is_here(Component) of                       % else ejabberd would try s2s
        true -> ejabberd_router:route(wrap(Direction, jid:make(Host), Component, Packet));
        false -> ok
    end.

is_here(Component) ->
    Seen = seen(Component),
    Before = atomics:get(Seen, 1),
    case ejabberd_router:is_my_route(Component) of
        true ->
            Before =:= ?HERE orelse atomics:put(Seen, 1, ?HERE),
            true;
        false ->
            Before =/= ?AWAY andalso atomics:compare_exchange(Seen, 1, Before, ?AWAY) =:= ok
                andalso warn(Component, Before),
            false
    end.

seen(Component) ->
    case persistent_term:get({?MODULE, Component}, none) of
        none ->
            Seen = atomics:new(1, []),
            persistent_term:put({?MODULE, Component}, Seen),
            Seen;
        Seen -> Seen
    end.

warn(Component, ?HERE) ->
    ?LOG_WARNING("mod_event_pusher_tap: the component ~ts is offline, nothing is copied until it is back", [Component]);
warn(Component, ?NOT_YET) ->
    ?LOG_WARNING("mod_event_pusher_tap: no component ~ts has been here yet, nothing is copied to it. Start the sidecar; "
                 "if it runs, the option \"to\" must be the name under hosts of ejabberd_service", [Component]).

wrap(Direction, Host, Component, Packet) ->
    Copy = xmpp:set_from_to(Packet, prepared(xmpp:get_from(Packet)), prepared(xmpp:get_to(Packet))),
    Delay = #delay{from = Host, stamp = erlang:timestamp()},
    #message{from = Host, to = jid:make(atom_to_binary(Direction, utf8), Component), id = p1_rand:get_string(),
             sub_els = [#forwarded{delay = Delay, sub_els = [Copy]}]}.

prepared(#jid{luser = User, lserver = Server, lresource = Resource}) -> jid:make(User, Server, Resource).

%% An error in this module must not end a user's session. It must not bring stanzas into the log, as ejabberd would.
guard(Fun) ->
    try Fun(), ok
    catch Class:Reason:Stack ->
        case persistent_term:get(?MODULE, untold) of
            untold ->
                persistent_term:put(?MODULE, told),
                ?LOG_ERROR("mod_event_pusher_tap could not copy a stanza: ~p ~p at ~p (told once)",
                           [Class, without_values(Reason), [{M, F, L} || {M, F, _, L} <- Stack]]);
            told -> ok
        end
    end.

without_values(Reason) when is_tuple(Reason) -> element(1, Reason);
without_values(Reason) -> Reason.

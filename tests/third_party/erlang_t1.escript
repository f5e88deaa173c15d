#!/usr/bin/env escript
%% Two people in plain Erlang against a fresh server: records by term_to_binary and binary_to_term, MQTT 3.1.1 by hand.
%% Usage: erlang_t1.escript PORT. Follows trace T-1 of SPEC, appendix D, with what only a real Erlang sends.
-mode(compile).

-define(WAIT_MS, 10000).
-define(EVENTS, <<"events/1//api/anon//">>).
-define(FEED, {p2p, <<"38001_1">>, <<"38002_2">>}).
%% Waits for what this connection receives on a topic and takes the first that matches.
-define(TAKE(Client, Topic, Pattern),
    (fun(On) ->
        receive
            {Client, On, Pattern = Taken} -> Taken
        after ?WAIT_MS -> missing(?LINE, On, ??Pattern)
        end
    end)(Topic)
).

%% Field order and defaults as the protocol's header has them.
-record('Auth', {
    client_id = [], dev_key = [], user_id = [], phone = [], token = [], sms_code = [], attempts = [], services = [],
    settings = [], push = [], os = [], created = [], last_online = [], type = []
}).
-record('Profile', {
    phone = [], services = [], rosters = [], update = [], settings = [], date = 0, balance = 0, presence = [], status = []
}).
-record('Roster', {
    id = [], names = [], surnames = [], email = [], nick = [], userlist = [], roomlist = [], favorite = [], tags = [],
    phone = [], avatar = [], update = 0, status = []
}).
-record('Contact', {
    phone_id = [], avatar = [], names = [], surnames = [], nick = [], reader = [], nread = 0, last_msg = [], presence = [],
    update = 0, created = 0, settings = [], services = [], status = []
}).
-record('Friend', {phone_id = [], friend_id = [], settings = [], status = []}).
-record('Desc', {id = [], mime = <<"text">>, payload = [], parentid = [], data = []}).
-record('Message', {
    id = [], container = chain, feed_id = [], prev = [], next = [], msg_id = [], from = [], to = [], created = [],
    files = [], type = [], link = [], seenby = [], repliedby = [], mentioned = [], status = []
}).
-record('History', {roster_id = [], feed = [], size = 0, entity_id = 0, data = [], status = []}).
-record('Ack', {table = 'Message', id = []}).

main([Text]) ->
    Port = list_to_integer(Text),
    Ann = enrol(Port, <<"38001">>),
    Ben = enrol(Port, <<"38002">>),
    profile(Ann, <<"38001">>, 1),
    profile(Ben, <<"38002">>, 2),
    befriend(Ann, Ben),
    First = write(Ann, Ben),
    Second = forms_of_text(Ann, Ben, First),
    history(Ben, [First, Second]),
    not_records(Ann),
    lists:foreach(fun close/1, [Ann, Ben]).

%% AUTH-1 by a fake number (ID-15), then a connection with the token.
enrol(Port, Phone) ->
    Reg = connect(Port, <<"reg_", Phone/binary, "_d1">>, none),
    A = answers(Reg),
    {vnode_max, 4} = ?TAKE(Reg, A, {vnode_max, _}),
    send(Reg, #'Auth'{dev_key = <<"d1">>, phone = {fake, Phone}, type = reg}),
    {io, {ok, login, {ClientId, Token}}, <<>>} = ?TAKE(Reg, A, {io, {ok, login, _}, _}),
    ClientId = <<"emqttd_", Phone/binary, "_d1">>,
    #'Profile'{phone = Phone, rosters = [#'Roster'{}]} = ?TAKE(Reg, A, #'Profile'{status = init}),
    close(Reg),
    Client = connect(Port, ClientId, Token),
    {vnode_max, 4} = ?TAKE(Client, answers(Client), {vnode_max, _}),
    Client.

%% PROFILE-1.
profile(Client, Phone, RosterId) ->
    send(Client, #'Profile'{phone = Phone, status = get}),
    #'Profile'{phone = Phone, rosters = [#'Roster'{id = RosterId, userlist = []}], balance = 0} =
        ?TAKE(Client, answers(Client), #'Profile'{status = get}).

%% FRIEND-1 and FRIEND-2, the second in the form of old clients (C-6: without settings).
befriend(Ann, Ben) ->
    {A, B} = {<<"38001_1">>, <<"38002_2">>},
    send(Ann, #'Friend'{phone_id = A, friend_id = B, status = request}),
    #'Contact'{phone_id = B} = ?TAKE(Ann, <<"ses/38001">>, #'Contact'{status = request}),
    #'Contact'{phone_id = A} = ?TAKE(Ben, <<"ses/38002">>, #'Contact'{status = authorization}),
    send(Ben, {'Friend', B, A, confirm}),
    ?TAKE(Ben, answers(Ben), {io, {ok, added, []}, {ok, added, []}}),
    #'Contact'{phone_id = A} = ?TAKE(Ben, <<"ses/38002">>, #'Contact'{status = friend}),
    #'Contact'{phone_id = B} = ?TAKE(Ann, <<"ses/38001">>, #'Contact'{status = friend}),
    #'Contact'{phone_id = B} = ?TAKE(Ann, <<"ac/38002_2">>, #'Contact'{presence = online}),
    #'Contact'{phone_id = A} = ?TAKE(Ben, <<"ac/38001_1">>, #'Contact'{presence = online}).

%% MESSAGE-1, MESSAGE-2, MESSAGE-3 and MESSAGE-12, and a repetition.
write(Ann, Ben) ->
    Message = #'Message'{
        msg_id = <<"m1">>, feed_id = {p2p, <<"38002_2">>, <<"38001_1">>}, to = <<"38002_2">>,
        files = [#'Desc'{id = <<"1">>, payload = <<"hi">>}]
    },
    send(Ann, Message),
    ?TAKE(Ann, answers(Ann), #'Ack'{id = <<"m1">>}),
    Shown = ?TAKE(Ben, <<"p2p/38001_1/38002_2">>, #'Message'{msg_id = <<"m1">>}),
    #'Message'{
        id = Id, container = chain, feed_id = ?FEED, prev = [], next = [], from = <<"38001_1">>, to = <<"38002_2">>,
        created = Created, files = [#'Desc'{id = <<"1">>, mime = <<"text">>, payload = <<"hi">>}], status = []
    } = Shown,
    true = is_integer(Id) andalso is_integer(Created),
    Shown = ?TAKE(Ann, <<"p2p/38001_1/38002_2">>, #'Message'{}),
    send(Ben, #'Ack'{id = <<"m1">>}),
    ?TAKE(Ann, <<"ses/38001">>, #'Ack'{id = <<"m1">>}),

    send(Ann, Message),
    ?TAKE(Ann, answers(Ann), #'Ack'{id = <<"m1">>}),
    #'Message'{id = Id} = ?TAKE(Ann, answers(Ann), #'Message'{msg_id = <<"m1">>}),
    Id.

%% C-3 to C-5: text as a list of characters, beyond Latin-1 too; undefined for absent; a compressed term.
forms_of_text(Ann, Ben, First) ->
    Files = [
        #'Desc'{id = "1", payload = "plain", parentid = undefined},
        #'Desc'{id = <<"2">>, payload = [16#43f, 16#440, 16#438], data = nil},
        #'Desc'{id = <<"3">>, payload = lists:duplicate(2000, $a)}
    ],
    Message = #'Message'{msg_id = "m2", feed_id = ?FEED, to = "38002_2", files = Files},
    Payload = term_to_binary(Message, [compressed]),
    <<131, 80, _/binary>> = Payload,
    publish(Ann, Payload),
    ?TAKE(Ann, answers(Ann), #'Ack'{id = <<"m2">>}),
    A2000 = binary:copy(<<"a">>, 2000),
    #'Message'{id = Id, prev = First, files = Read} =
        ?TAKE(Ben, <<"p2p/38001_1/38002_2">>, #'Message'{msg_id = <<"m2">>}),
    [
        #'Desc'{id = <<"1">>, payload = <<"plain">>, parentid = []},
        #'Desc'{id = <<"2">>, payload = <<"при"/utf8>>, data = []},
        #'Desc'{id = <<"3">>, payload = A2000}
    ] = Read,
    true = Id > First,
    send(Ben, #'Ack'{id = <<"m2">>}),
    ?TAKE(Ann, <<"ses/38001">>, #'Ack'{id = <<"m2">>}),
    Id.

%% HISTORY-1: both, in order, and no second copy of any came before this answer (G-5).
history(Ben, Ids) ->
    send(Ben, #'History'{roster_id = <<"38002_2">>, feed = ?FEED, size = 10, status = get}),
    #'History'{data = Data} = ?TAKE(Ben, answers(Ben), #'History'{status = get}),
    Ids = [Id || #'Message'{id = Id} <- Data],
    receive
        {Ben, _, #'Message'{}} -> error(second_copy)
    after 0 -> ok
    end.

%% C-3, C-8, C-9 and IO-3: what is no record of ours is answered, and the connection lives.
not_records(Client) ->
    Bad = [self(), make_ref(), fun() -> ok end, #{1 => 2}, hello, {'Friend', a}, #'Friend'{status = no_such_status}],
    lists:foreach(
        fun(Term) ->
            send(Client, Term),
            ?TAKE(Client, answers(Client), {io, {error, invalid_data, []}, <<>>})
        end,
        Bad
    ).

missing(Line, Topic, Pattern) ->
    {messages, Rest} = process_info(self(), messages),
    io:format(standard_error, "line ~p: nothing like ~s on ~s; there is~n~tp~n", [Line, Pattern, Topic, Rest]),
    halt(1).

%% --- a client: a process that owns a socket; the owner gets {Client, Topic, Term} ---

connect(Port, ClientId, Token) ->
    Owner = self(),
    Client = spawn_link(fun() ->
        {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {nodelay, true}, {active, true}]),
        ok = gen_tcp:send(Socket, connect_packet(ClientId, Token)),
        loop(Socket, Owner, <<>>, 1)
    end),
    receive
        {Client, connack, 0} -> ok
    after ?WAIT_MS -> missing(?LINE, ClientId, "CONNACK")
    end,
    put(Client, ClientId),
    Client.

answers(Client) -> <<"actions/1/api/", (get(Client))/binary>>.

send(Client, Term) -> publish(Client, term_to_binary(Term)).

%% With QoS 1; returns when it is acknowledged.
publish(Client, Payload) ->
    Client ! {publish, ?EVENTS, Payload},
    receive
        {Client, puback} -> ok
    after ?WAIT_MS -> missing(?LINE, ?EVENTS, "PUBACK")
    end.

%% Returns when the server has closed its side too.
close(Client) ->
    Client ! disconnect,
    receive
        {Client, closed} -> ok
    after ?WAIT_MS -> missing(?LINE, get(Client), "the end of the connection")
    end.

loop(Socket, Owner, Buffer, Next) ->
    receive
        {tcp, Socket, Bytes} ->
            loop(Socket, Owner, packets(Socket, Owner, <<Buffer/binary, Bytes/binary>>), Next);
        {publish, Topic, Payload} ->
            ok = gen_tcp:send(Socket, packet(3, 2, [string(Topic), <<Next:16>>, Payload])),
            loop(Socket, Owner, Buffer, Next + 1);
        disconnect ->
            ok = gen_tcp:send(Socket, packet(14, 0, [])),
            loop(Socket, Owner, Buffer, Next);
        {tcp_closed, Socket} ->
            Owner ! {self(), closed}
    end.

%% Handles each whole packet; what remains is the beginning of the next.
packets(Socket, Owner, Bytes) ->
    case split(Bytes) of
        {Type, Flags, Body, Rest} ->
            handle(Socket, Owner, Type, Flags, Body),
            packets(Socket, Owner, Rest);
        more ->
            Bytes
    end.

handle(_, Owner, 2, 0, <<0, Code>>) ->
    Owner ! {self(), connack, Code};
handle(_, Owner, 4, 0, <<_:16>>) ->
    Owner ! {self(), puback};
handle(_, Owner, 3, 0, <<Size:16, Topic:Size/binary, Payload/binary>>) ->
    Owner ! {self(), Topic, term(Payload)};
handle(Socket, Owner, 3, _Qos1, <<Size:16, Topic:Size/binary, Id:16, Payload/binary>>) ->
    Owner ! {self(), Topic, term(Payload)},
    ok = gen_tcp:send(Socket, packet(4, 0, <<Id:16>>)).

%% C-1, C-2: one term, in the very bytes that Erlang 26 and later would write.
term(Payload) ->
    {Term, Used} = binary_to_term(Payload, [used]),
    Used = byte_size(Payload),
    Payload = term_to_binary(Term, [{minor_version, 2}]),
    Term.

%% --- MQTT 3.1.1 ---

connect_packet(ClientId, none) ->
    packet(1, 0, [string(<<"MQTT">>), <<4, 2#00000010, 60:16>>, string(ClientId)]);
connect_packet(ClientId, Token) ->
    packet(1, 0, [string(<<"MQTT">>), <<4, 2#11000010, 60:16>>, [string(S) || S <- [ClientId, ClientId, Token]]]).

packet(Type, Flags, Body) ->
    [<<Type:4, Flags:4>>, size(iolist_size(Body), []), Body].

size(N, Done) when N < 128 -> [Done, N];
size(N, Done) -> size(N bsr 7, [Done, N band 127 bor 128]).

string(Bytes) -> <<(byte_size(Bytes)):16, Bytes/binary>>.

split(<<Type:4, Flags:4, Rest/binary>>) -> split(Type, Flags, Rest, 0, 0);
split(<<>>) -> more.

split(Type, Flags, <<1:1, Low:7, Rest/binary>>, Shift, Size) ->
    split(Type, Flags, Rest, Shift + 7, Size bor (Low bsl Shift));
split(Type, Flags, <<0:1, Low:7, Rest/binary>>, Shift, Size0) ->
    Size = Size0 bor (Low bsl Shift),
    case Rest of
        <<Body:Size/binary, Next/binary>> -> {Type, Flags, Body, Next};
        _ -> more
    end;
split(_, _, <<>>, _, _) ->
    more.

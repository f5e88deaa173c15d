#!/usr/bin/env escript
%% Terms by a real Erlang, for a program in another language: one request a line, one answer a line.
%%   build TERM            the bytes of TERM, in hexadecimal
%%   fits HEX TERM         `true` if the term in the bytes is TERM, else `false`
%%   field HEX NAME        the value of a record's field, as text
%%   show HEX              the term, as text
%% TERM is Erlang's notation; a tuple {Record, #{field => value}} is the record with its other fields at their default, and in
%% `fits` with its other fields as they are. A list [X | '_'] fits any list that begins so; '_' fits anything.
-mode(compile).

-record('Auth', {
    client_id = [], dev_key = [], user_id = [], phone = [], token = [], sms_code = [], attempts = [], services = [],
    settings = [], push = [], os = [], created = [], last_online = [], type = []
}).
-record('Friend', {phone_id = [], friend_id = [], settings = [], status = []}).
-record('Contact', {
    phone_id = [], avatar = [], names = [], surnames = [], nick = [], reader = [], nread = 0, last_msg = [], presence = [],
    update = 0, created = 0, settings = [], services = [], status = []
}).
-record('Desc', {id = [], mime = <<"text">>, payload = [], parentid = [], data = []}).
-record('Feature', {id = [], key = [], value = <<>>, group = []}).
-record('Message', {
    id = [], container = chain, feed_id = [], prev = [], next = [], msg_id = [], from = [], to = [], created = [],
    files = [], type = [], link = [], seenby = [], repliedby = [], mentioned = [], status = []
}).
-record('Member', {
    id = [], container = chain, feed_id = [], prev = [], next = [], feeds = [], phone_id = [], avatar = [], names = [],
    surnames = [], alias = [], reader = 0, update = 0, settings = [], services = [], presence = [], status = []
}).
-record('Room', {
    id = [], name = [], links = [], description = [], settings = [], members = [], admins = [], data = [], type = [],
    tos = [], tos_update = 0, unread = 0, mentions = [], readers = [], last_msg = [], update = 0, created = 0, status = []
}).
-record('History', {roster_id = [], feed = [], size = 0, entity_id = 0, data = [], status = []}).
-record('Ack', {table = 'Message', id = []}).

fields('Auth') -> {record_info(fields, 'Auth'), #'Auth'{}};
fields('Friend') -> {record_info(fields, 'Friend'), #'Friend'{}};
fields('Contact') -> {record_info(fields, 'Contact'), #'Contact'{}};
fields('Desc') -> {record_info(fields, 'Desc'), #'Desc'{}};
fields('Feature') -> {record_info(fields, 'Feature'), #'Feature'{}};
fields('Message') -> {record_info(fields, 'Message'), #'Message'{}};
fields('Member') -> {record_info(fields, 'Member'), #'Member'{}};
fields('Room') -> {record_info(fields, 'Room'), #'Room'{}};
fields('History') -> {record_info(fields, 'History'), #'History'{}};
fields('Ack') -> {record_info(fields, 'Ack'), #'Ack'{}}.

main([]) ->
    ok = io:setopts([{encoding, unicode}]),
    serve().

serve() ->
    case io:get_line("") of
        eof -> ok;
        Line ->
            io:format("~ts~n", [answer(string:trim(Line))]),
            serve()
    end.

answer("build " ++ Text) ->
    binary:encode_hex(term_to_binary(whole(term(Text)), [{minor_version, 2}]));
answer("fits " ++ Rest) ->
    {Hex, Text} = word(Rest),
    atom_to_list(fits(term(Text), bytes(Hex)));
answer("field " ++ Rest) ->
    {Hex, Name} = word(Rest),
    Record = bytes(Hex),
    {Fields, _} = fields(element(1, Record)),
    io_lib:format("~0tp", [element(place(list_to_atom(Name), Fields), Record)]);
answer("show " ++ Hex) ->
    io_lib:format("~0tp", [bytes(Hex)]).

word(Text) ->
    [First, Rest] = string:split(Text, " "),
    {First, Rest}.

%% One term and nothing behind it, in the very bytes that Erlang writes (C-1, C-2).
bytes(Hex) ->
    Bytes = binary:decode_hex(list_to_binary(Hex)),
    {Term, Used} = binary_to_term(Bytes, [used]),
    Used = byte_size(Bytes),
    Bytes = term_to_binary(Term, [{minor_version, 2}]),
    Term.

term(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.

%% {Record, #{…}} anywhere within becomes the record.
whole({Name, Given}) when is_map(Given) ->
    {Fields, Default} = fields(Name),
    Put = fun(Field, Value, Record) -> setelement(place(Field, Fields), Record, whole(Value)) end,
    maps:fold(Put, Default, Given);
whole(Tuple) when is_tuple(Tuple) -> list_to_tuple([whole(Element) || Element <- tuple_to_list(Tuple)]);
whole(List) when is_list(List) -> [whole(Element) || Element <- List];
whole(Term) -> Term.

fits('_', _) ->
    true;
fits({Name, Wanted}, Record) when is_map(Wanted) ->
    {Fields, Default} = fields(Name),
    Same = fun({Field, Value}) -> fits(Value, element(place(Field, Fields), Record)) end,
    is_record(Record, Name, tuple_size(Default)) andalso lists:all(Same, maps:to_list(Wanted));
fits([Wanted | More], [Term | Terms]) ->
    fits(Wanted, Term) andalso fits(More, Terms);
fits(Wanted, Term) when is_tuple(Wanted), is_tuple(Term) ->
    fits(tuple_to_list(Wanted), tuple_to_list(Term));
fits(Wanted, Term) ->
    Wanted =:= Term.

%% A field's place in the tuple.
place(Field, Fields) -> place(Field, Fields, 2).

place(Field, [Field | _], Place) -> Place;
place(Field, [_ | Fields], Place) -> place(Field, Fields, Place + 1).

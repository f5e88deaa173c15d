#!/usr/bin/env escript
%% Each example of the protocol's text, written again by a real Erlang: the same bytes (SPEC C-2).
%% Usage: erlang_pages.escript FOLDER; prints how many there are.
-mode(compile).

main([Folder]) ->
    Pages = filelib:wildcard(filename:join(Folder, "*.md")),
    Examples = lists:append([examples(Page) || Page <- Pages]),
    lists:foreach(fun check/1, Examples),
    io:format("~b~n", [length(Examples)]).

%% {Page and line of the bytes, bytes}: the last line of each block that begins with ```etf.
examples(Page) ->
    {ok, Text} = file:read_file(Page),
    Lines = binary:split(Text, <<"\n">>, [global]),
    outside(lists:enumerate(Lines), filename:basename(Page)).

outside([{_, <<"```etf ", _/binary>>} | Rest], Page) -> inside(Rest, Page);
outside([_ | Rest], Page) -> outside(Rest, Page);
outside([], _) -> [].

inside([{Number, Hex}, {_, <<"```">>} | Rest], Page) ->
    [{Page, Number, binary:decode_hex(Hex)} | outside(Rest, Page)];
inside([_ | Rest], Page) ->
    inside(Rest, Page).

check({Page, Number, Bytes}) ->
    {Term, Used} = binary_to_term(Bytes, [used]),
    case {Used =:= byte_size(Bytes), term_to_binary(Term, [{minor_version, 2}])} of
        {true, Bytes} ->
            ok;
        Other ->
            io:format("~s:~b: ~tp~n~tp~n", [Page, Number, Term, Other]),
            halt(1)
    end.

"""A room by paho-mqtt, its terms all built and read by a real Erlang (`terms.escript`): `paho_room.py PORT 3.1.1|5`.

ROOM-1, ROOM-4, MESSAGE-1 and MESSAGE-15 in a room, MESSAGE-3, HISTORY-1, HISTORY-3, ROOM-7, and who hears of it.
"""

import pathlib
import re
import subprocess
import sys
import threading

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

HOST = "127.0.0.1"
PROTOCOLS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
EVENTS = "events/1//api/anon//"
WAIT_S = 10


class Erlang:
    """One Erlang for all terms; asked from one thread at a time."""

    def __init__(self):
        script = pathlib.Path(__file__).with_name("terms.escript")
        self.lock = threading.Lock()
        self.node = subprocess.Popen(
            ["escript", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, line):
        with self.lock:
            self.node.stdin.write(line + "\n")
            self.node.stdin.flush()
            answer = self.node.stdout.readline().rstrip("\n")
        assert self.node.poll() is None, f"Erlang ended at: {line}"
        return answer

    def build(self, term):
        return bytes.fromhex(self.ask(f"build {term}"))

    def fits(self, payload, term):
        return self.ask(f"fits {payload.hex()} {term}") == "true"

    def field(self, payload, name):
        return self.ask(f"field {payload.hex()} {name}")

    def show(self, payload):
        return self.ask(f"show {payload.hex()}")


class Client:
    """One connection and the payloads that have arrived on it, in order."""

    def __init__(self, erlang, port, protocol, client_id, token=None):
        self.erlang, self.id, self.inbox, self.changed, self.connack = erlang, client_id, [], threading.Condition(), None
        self.mqtt = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=PROTOCOLS[protocol])
        if token:
            self.mqtt.username_pw_set(client_id, token)
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_message = self._on_message
        self.mqtt.connect(HOST, port)
        self.mqtt.loop_start()
        with self.changed:
            assert self.changed.wait_for(lambda: self.connack is not None, WAIT_S), f"{client_id}: no CONNACK"
        assert not self.connack.is_failure, f"{client_id}: {self.connack}"
        self.take(self.answers, "{vnode_max, 4}")

    @property
    def answers(self):
        return f"actions/1/api/{self.id}"

    def _on_connect(self, _client, _data, _flags, reason, _properties):
        with self.changed:
            self.connack = reason
            self.changed.notify()

    def _on_message(self, _client, _data, message):
        with self.changed:
            self.inbox.append((message.topic, message.payload))
            self.changed.notify()

    def send(self, term, topic=EVENTS):
        sent = self.mqtt.publish(topic, self.erlang.build(term), qos=1)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published(), f"{self.id}: no PUBACK for {term}"

    def take(self, topic, term):
        """Takes the first payload of that topic that fits, leaving others; waits for it."""
        seen = 0
        with self.changed:
            while True:
                for at, (on, payload) in enumerate(self.inbox[seen:], seen):
                    if on == topic and self.erlang.fits(payload, term):
                        del self.inbox[at]
                        return payload
                seen = len(self.inbox)
                assert self.changed.wait_for(lambda: len(self.inbox) > seen, WAIT_S), self.missing(topic, term)

    def missing(self, topic, term):
        there = "\n".join(f"  {on} {self.erlang.show(payload)}" for on, payload in self.inbox)
        return f"{self.id}: no {term} on {topic}; there is:\n{there}"

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


def register(erlang, port, protocol, phone):
    """AUTH-1 by a fake number, then the device itself."""
    reg = Client(erlang, port, protocol, f"reg_{phone}_d1")
    reg.send(f"{{'Auth', #{{dev_key => <<\"d1\">>, phone => {{fake, <<\"{phone}\">>}}, type => reg}}}}")
    answer = erlang.show(reg.take(reg.answers, "{io, {ok, login, '_'}, '_'}"))
    client_id, token = re.search(r'\{ok,login,\{<<"([^"]+)">>,<<"([0-9a-f]{64})">>\}\}', answer).groups()
    reg.close()
    return Client(erlang, port, protocol, client_id, token)


def befriend(one, other, phones):
    """FRIEND-1, FRIEND-2: so that both may be added to rooms (GROUP_ADD is `friends`)."""
    (a, b) = (f'<<"{phone}_{roster}">>' for phone, roster in phones)
    one.send(f"{{'Friend', #{{phone_id => {a}, friend_id => {b}, status => request}}}}")
    other.take(f"ses/{phones[1][0]}", f"{{'Contact', #{{phone_id => {a}, status => authorization}}}}")
    other.send(f"{{'Friend', #{{phone_id => {b}, friend_id => {a}, status => confirm}}}}")
    one.take(f"ses/{phones[0][0]}", f"{{'Contact', #{{phone_id => {b}, status => friend}}}}")


def system(action, target=None):
    """MESSAGE-15: a message of the server about what happened."""
    feature = "{'Feature', #{key => <<\"%s\">>, value => <<\"%s\">>, group => <<\"SYSTEM\">>}}"
    features = feature % ("ACTION", action) + (", " + feature % ("TARGET", target) if target else "")
    return f"{{'Message', #{{type => [sys], files => [{{'Desc', #{{data => [{features} | '_']}}}}]}}}}"


def main(port, protocol):
    erlang = Erlang()
    ann, ben, carl = (register(erlang, port, protocol, phone) for phone in ("38001", "38002", "38003"))
    befriend(ann, ben, [("38001", 1), ("38002", 2)])
    befriend(ann, carl, [("38001", 1), ("38003", 3)])
    ben_is = '{\'Member\', #{phone_id => <<"38002_2">>, status => member}}'

    # Ann makes a room with ben in it (ROOM-1).
    ann.send('{\'Room\', #{id => <<"tea">>, name => <<"Чай"/utf8>>, members => [{\'Member\', #{phone_id => <<"38002_2">>}}], '
             "status => create}}")
    whole = f"{{'Room', #{{id => <<\"tea\">>, type => group, members => [{ben_is}], status => create}}}}"
    ann.take(ann.answers, whole)
    ben.take("ses/38002", whole)
    for client in (ann, ben):
        client.take("room/tea", system("created"))

    # She adds carl (ROOM-4); all of them hear it.
    ann.send("{'Room', #{id => <<\"tea\">>, members => [{'Member', #{phone_id => <<\"38003_3\">>}}], status => add}}")
    added = '{\'Room\', #{id => <<"tea">>, members => [{\'Member\', #{phone_id => <<"38003_3">>, status => member}}], status => add}}'
    ann.take(ann.answers, added)
    ben.take("room/tea", added)
    carl.take("ses/38003", "{'Room', #{id => <<\"tea\">>, type => group, status => add}}")
    for client in (ann, ben, carl):
        client.take("room/tea", system("added", "38003_3"))

    # Carl writes on the room's own topic (MESSAGE-1, TOPIC-10); ben has it and says so (MESSAGE-3).
    carl.send("{'Message', #{msg_id => <<\"m1\">>, files => [{'Desc', #{id => <<\"1\">>, payload => <<\"milk?\">>}}]}}", "room/tea")
    carl.take(carl.answers, "{'Ack', #{id => <<\"m1\">>}}")
    shown = ('{\'Message\', #{feed_id => {muc, <<"tea">>}, msg_id => <<"m1">>, from => <<"38003_3">>, to => <<"tea">>, '
             "files => [{'Desc', #{payload => <<\"milk?\">>}}], status => []}}")
    for client in (ann, ben, carl):
        message = client.take("room/tea", shown)
    number = erlang.field(message, "id")
    ben.send("{'Ack', #{id => <<\"m1\">>}}")

    # Ben reads (HISTORY-1, HISTORY-3): the message is there, and is unread no more.
    feed = 'roster_id => <<"38002_2">>, feed => {muc, <<"tea">>}'
    ben.send(f"{{'History', #{{{feed}, size => 1, status => get}}}}")
    ben.take(ben.answers, f"{{'History', #{{size => 0, data => [{{'Message', #{{id => {number}, msg_id => <<\"m1\">>}}}}]}}}}")
    ben.send(f"{{'History', #{{{feed}, entity_id => {number}, status => update}}}}")
    ben.take("ses/38002", "{'Room', #{id => <<\"tea\">>, unread => 0, status => last_msg}}")

    # He leaves (ROOM-7): the others hear it, and he may not write there any more.
    ben.send("{'Room', #{id => <<\"tea\">>, status => leave}}")
    left = '{\'Room\', #{id => <<"tea">>, members => [{\'Member\', #{phone_id => <<"38002_2">>}}], status => leave}}'
    ben.take(ben.answers, left)
    for client in (ann, carl):
        client.take("room/tea", left)
        client.take("room/tea", system("left"))
    ben.send("{'Message', #{msg_id => <<\"m2\">>, to => <<\"tea\">>, files => [{'Desc', #{id => <<\"1\">>, payload => <<\"x\">>}}]}}")
    ben.take(ben.answers, "{io, {error, permission_denied, '_'}, '_'}")

    for client in (ann, ben, carl):
        client.close()


main(int(sys.argv[1]), sys.argv[2])

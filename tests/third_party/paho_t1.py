"""Trace T-1 of SPEC, appendix D, whole, by paho-mqtt against a fresh server: `paho_t1.py PORT 3.1.1|5 [websockets]`."""

import sys
import threading

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

import etf
from etf import Atom

HOST = "127.0.0.1"
PROTOCOLS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
EVENTS = "events/1//api/anon//"
WAIT_S = 10
TRANSPORT = sys.argv[3] if len(sys.argv) > 3 else "tcp"

# The fields of a record after its name, with their defaults (records.toml).
FIELDS = {
    "Auth": "client_id dev_key user_id phone token sms_code attempts services settings push os created last_online type",
    "Profile": "phone services rosters update settings date=0 balance=0 presence status",
    "Roster": "id names surnames email nick userlist roomlist favorite tags phone avatar update=0 status",
    "Contact": "phone_id avatar names surnames nick reader nread=0 last_msg presence update=0 created=0 settings services status",
    "Friend": "phone_id friend_id settings status",
    "Message": "id container=chain feed_id prev next msg_id from to created files type link seenby repliedby mentioned status",
    "Desc": "id mime=<<text>> payload parentid data",
    "History": "roster_id feed size=0 entity_id=0 data status",
    "Ack": "table=Message id",
}


def record(name, **values):
    """The tuple of a record; what is not given is at its default."""
    fields = [field.partition("=")[::2] for field in FIELDS[name].split()]
    unknown = values.keys() - {field for field, _ in fields}
    assert not unknown, f"{name} has no {unknown}"
    return (Atom(name), *(values.get(field, default(text)) for field, text in fields))


def default(text):
    if not text:
        return []
    if text.startswith("<<"):
        return text.strip("<>").encode()
    return int(text) if text.isdigit() else Atom(text)


def matches(term, name, **values):
    """Whether it is that record with these values among its fields."""
    fields = [field.partition("=")[0] for field in FIELDS[name].split()]
    if not isinstance(term, tuple) or len(term) != len(fields) + 1 or term[0] != name:
        return False
    found = dict(zip(fields, term[1:]))
    return all(same(found[field], value) for field, value in values.items())


def same(found, value):
    """Equal, and of one kind: an atom is not a binary, a number is not a truth."""
    return type(found) is type(value) and found == value


class Client:
    """One connection and what has arrived on it, in order."""

    def __init__(self, port, protocol, client_id, token=None):
        self.id, self.inbox, self.changed, self.ended = client_id, [], threading.Condition(), None
        self.mqtt = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=PROTOCOLS[protocol], transport=TRANSPORT)
        if TRANSPORT == "websockets":
            self.mqtt.ws_set_options(path="/mqtt")
        if token:
            self.mqtt.username_pw_set(client_id, token.decode())
        self.connack = None
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_message = self._on_message
        self.mqtt.on_disconnect = self._on_disconnect
        self.mqtt.connect(HOST, port)
        self.mqtt.loop_start()
        self._wait(lambda: self.connack is not None, "no CONNACK")
        assert not self.connack.is_failure, f"{client_id}: {self.connack}"
        topic, term = self.next()
        assert (topic, term) == (self.answers, (Atom("vnode_max"), 4)), f"INIT-1: {topic} {term}"

    @property
    def answers(self):
        return f"actions/1/api/{self.id}"

    def _on_connect(self, _client, _data, _flags, reason, _properties):
        with self.changed:
            self.connack = reason
            self.changed.notify()

    def _on_message(self, _client, _data, message):
        with self.changed:
            self.inbox.append((message.topic, etf.decode(message.payload)))
            self.changed.notify()

    def _on_disconnect(self, _client, _data, _flags, reason, _properties):
        with self.changed:
            self.ended = reason
            self.changed.notify()

    def _wait(self, holds, otherwise):
        with self.changed:
            self.changed.wait_for(lambda: holds() or self.ended is not None, WAIT_S)
            assert holds(), f"{self.id}: {otherwise}; ended: {self.ended}; there is: {self.inbox}"

    def send(self, term):
        """Publishes a request with QoS 1 and waits for its PUBACK."""
        sent = self.mqtt.publish(EVENTS, etf.encode(term), qos=1)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published(), f"{self.id}: no PUBACK for {term}"

    def next(self):
        """Takes what arrived first, whatever it is."""
        self._wait(lambda: self.inbox, "nothing came")
        return self.inbox.pop(0)

    def take(self, topic, name, **values):
        """Takes the first such record, leaving others; waits for it."""
        return self._take(topic, lambda term: matches(term, name, **values), f"{name} {values}")

    def take_term(self, topic, wanted):
        """The same for a term that is known whole."""
        return self._take(topic, lambda term: term == wanted, wanted)

    def _take(self, topic, fits, title):
        def at():
            return next((n for n, (on, term) in enumerate(self.inbox) if on == topic and fits(term)), None)

        self._wait(lambda: at() is not None, f"no {title} on {topic}")
        with self.changed:
            return self.inbox.pop(at())[1]

    def forget(self):
        with self.changed:
            self.inbox.clear()

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


def ok(code, src, data=b""):
    return (Atom("io"), (Atom("ok"), Atom(code), src), data)


def register(port, protocol, phone, roster):
    """Steps 1 and 2: a fake number, at once with a token; then the device itself (AUTH-1, ID-15, AUTH-4)."""
    reg = Client(port, protocol, f"reg_{phone}_d1")
    reg.send(record("Auth", dev_key=b"d1", phone=(Atom("fake"), phone.encode()), type=Atom("reg")))
    topic, answer = reg.next()
    assert topic == reg.answers and answer[:1] == (Atom("io"),), f"{topic} {answer}"
    client_id, token = answer[1][2]
    assert answer == ok("login", (f"emqttd_{phone}_d1".encode(), token)), answer
    assert len(token) == 64 and set(token) <= set(b"0123456789abcdef"), "ID-7"
    profile = reg.take(reg.answers, "Profile", phone=phone.encode(), status=Atom("init"))
    assert [matches(own, "Roster", id=roster) for own in profile[3]] == [True], profile
    reg.close()
    return Client(port, protocol, client_id.decode(), token)


def befriend(ann, ben):
    """Steps 3 and 4 (FRIEND-1, FRIEND-2)."""
    a, b = b"38001_1", b"38002_2"
    ann.send(record("Friend", phone_id=a, friend_id=b, status=Atom("request")))
    ann.take("ses/38001", "Contact", phone_id=b, status=Atom("request"))
    ben.take("ses/38002", "Contact", phone_id=a, status=Atom("authorization"))

    ben.send(record("Friend", phone_id=b, friend_id=a, status=Atom("confirm")))
    added = (Atom("ok"), Atom("added"), [])
    ben.take_term(ben.answers, (Atom("io"), added, added))
    ben.take("ses/38002", "Contact", phone_id=a, status=Atom("friend"))
    ann.take("ses/38001", "Contact", phone_id=b, status=Atom("friend"))
    ann.take("ac/38002_2", "Contact", phone_id=b, presence=Atom("online"))
    ben.take("ac/38001_1", "Contact", phone_id=a, presence=Atom("online"))


def write(ann, ben):
    """Steps 5 to 7 (MESSAGE-1, MESSAGE-2, MESSAGE-3, MESSAGE-12); the message's id."""
    asked = (Atom("p2p"), b"38002_2", b"38001_1")
    kept = (Atom("p2p"), b"38001_1", b"38002_2")
    files = [record("Desc", id=b"1", payload="héllo ✓".encode())]
    message = record("Message", msg_id=b"m1", feed_id=asked, to=b"38002_2", files=files)
    shown = {"prev": [], "next": [], "msg_id": b"m1", "feed_id": kept, "from": b"38001_1", "files": files}

    ann.send(message)
    ann.take(ann.answers, "Ack", id=b"m1")
    own = ann.take("p2p/38001_1/38002_2", "Message", **shown)
    theirs = ben.take("p2p/38001_1/38002_2", "Message", **shown)
    assert own == theirs and isinstance(own[1], int), (own, theirs)

    ben.send(record("Ack", id=b"m1"))
    ann.take("ses/38001", "Ack", id=b"m1")

    ann.forget()
    ben.forget()
    ann.send(message)
    ann.take(ann.answers, "Ack", id=b"m1")
    ann.take(ann.answers, "Message", id=own[1], msg_id=b"m1")
    return own[1]


def history(client, phone_id, message_id):
    """Step 7: one message, and nothing came before this answer but what was taken (HISTORY-1, G-5)."""
    feed = (Atom("p2p"), b"38001_1", b"38002_2")
    client.send(record("History", roster_id=phone_id, feed=feed, size=10, status=Atom("get")))
    topic, answer = client.next()
    assert topic == client.answers and matches(answer, "History", status=Atom("get")), f"{topic} {answer}"
    [message] = answer[5]
    assert matches(message, "Message", id=message_id, msg_id=b"m1"), message


def main(port, protocol):
    ann = register(port, protocol, "38001", 1)
    ben = register(port, protocol, "38002", 2)
    befriend(ann, ben)
    message_id = write(ann, ben)
    history(ann, b"38001_1", message_id)
    history(ben, b"38002_2", message_id)
    ann.close()
    ben.close()


main(int(sys.argv[1]), sys.argv[2])

"""The free topics as interoperability suites walk a broker, by paho-mqtt: `paho_broker.py PORT 3.1.1|5`.

Each walk has topics and client ids of its own, so that all of them go at the same time; what takes long is the standard's own time.
"""

import queue
import socket
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

HOST, PORT, VERSION = "127.0.0.1", int(sys.argv[1]), sys.argv[2]
FIVE = VERSION == "5"
WAIT_S = 15


def known(packet, **values):
    """Properties of a packet of 5.0."""
    properties = Properties(packet)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


class Message:
    """What arrived, its payload as text."""

    def __init__(self, got):
        self.topic, self.text, self.mid = got.topic, got.payload.decode(), got.mid
        self.qos, self.retain, self.dup = got.qos, got.retain, got.dup
        self.properties = got.properties


class Client:
    """One connection; what arrives on it is awaited, never slept for."""

    def __init__(self, client_id, clean=True, keepalive=60, will=None, manual=False, **values):
        self.inbox, self.acks = queue.Queue(), {}
        self.connack, self.gone = queue.Queue(), queue.Queue()
        self.changed = threading.Condition()
        protocol = MQTTProtocolVersion.MQTTv5 if FIVE else MQTTProtocolVersion.MQTTv311
        self.mqtt = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=protocol,
            clean_session=None if FIVE else clean,
            reconnect_on_failure=False,
            manual_ack=manual,
        )
        if will:
            self.mqtt.will_set(**will)
        self.mqtt.on_connect = lambda _c, _d, flags, code, got: self.connack.put((flags.session_present, code, got))
        self.mqtt.on_message = lambda _c, _d, message: self.inbox.put(message)
        self.mqtt.on_disconnect = lambda _c, _d, _f, code, _p: self.gone.put(code)
        self.mqtt.on_publish = lambda _c, _d, mid, code, _p: self._acked(mid, code)
        self.mqtt.on_subscribe = lambda _c, _d, mid, codes, _p: self._acked(mid, codes)
        self.mqtt.on_unsubscribe = lambda _c, _d, mid, codes, _p: self._acked(mid, codes)
        extra = {"clean_start": clean, "properties": known(PacketTypes.CONNECT, **values)} if FIVE else {}
        self.mqtt.connect(HOST, PORT, keepalive, **extra)
        self.mqtt.loop_start()
        self.present, code, self.told = self.connack.get(timeout=WAIT_S)
        assert not code.is_failure, f"{client_id}: {code}"

    def _acked(self, mid, said):
        with self.changed:
            self.acks[mid] = said
            self.changed.notify_all()

    def _said(self, mid):
        with self.changed:
            assert self.changed.wait_for(lambda: mid in self.acks, WAIT_S), f"no acknowledgement of {mid}"
            return self.acks.pop(mid)

    def subscribe(self, topic, qos=2, id=None, **options):
        """The codes of SUBACK, as numbers."""
        if FIVE:
            properties = known(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=id) if id else None
            _, mid = self.mqtt.subscribe(topic, options=SubscribeOptions(qos, **options), properties=properties)
        else:
            _, mid = self.mqtt.subscribe(topic, qos)
        return [code.value for code in self._said(mid)]

    def unsubscribe(self, topic):
        _, mid = self.mqtt.unsubscribe(topic)
        return [code.value for code in self._said(mid)] if FIVE else self._said(mid) and []

    def publish(self, topic, payload="", qos=0, retain=False, **values):
        """Waits until it is acknowledged; gives the code."""
        properties = known(PacketTypes.PUBLISH, **values) if values else None
        sent = self.mqtt.publish(topic, payload, qos, retain, properties)
        return self._said(sent.mid).value

    def next(self):
        return Message(self.inbox.get(timeout=WAIT_S))

    def texts(self, count):
        return [self.next().text for _ in range(count)]

    def nothing_before(self, mark):
        """Nothing waits: what was published before the mark has not come."""
        self.publish(mark, "mark", 1)
        while (message := self.next()).topic != mark:
            raise AssertionError(f"{message.topic}: {message.text}")

    def left(self):
        """How the server ended it."""
        return self.gone.get(timeout=WAIT_S)

    def close(self, code=None, **values):
        if FIVE and (code or values):
            reason = ReasonCode(PacketTypes.DISCONNECT, identifier=code or 0)
            self.mqtt.disconnect(reason, known(PacketTypes.DISCONNECT, **values))
        else:
            self.mqtt.disconnect()
        self.gone.get(timeout=WAIT_S)
        self.mqtt.loop_stop()

    def break_off(self):
        """The connection ends without DISCONNECT."""
        self.mqtt.socket().shutdown(socket.SHUT_RDWR)
        self.gone.get(timeout=WAIT_S)
        self.mqtt.loop_stop()


def persistent(client_id, clean=False, seconds=600, **rest):
    """A client whose session outlives its connection."""
    if FIVE:
        rest["SessionExpiryInterval"] = seconds
    return Client(client_id, clean=clean, **rest)


def basic(t):
    a = Client(f"{t}a")
    assert a.subscribe(f"{t}/x", 2) == [2]
    for qos in (0, 1, 2):
        a.publish(f"{t}/x", f"qos {qos}", qos)
    messages = [a.next() for _ in range(3)]
    assert sorted((m.text, m.qos) for m in messages) == [("qos 0", 0), ("qos 1", 1), ("qos 2", 2)]
    assert not any(m.retain or m.dup for m in messages)
    big = "x" * 300_000
    a.publish(f"{t}/x", big, 1)
    assert a.next().text == big
    a.publish(f"{t}/x", "", 2)
    assert a.next().text == ""
    # A second connection of the same id ends the first.
    b = Client(f"{t}a")
    assert a.left().value == (0x8E if FIVE else 0x80)
    b.close()


def wildcards(t):
    a = Client(f"{t}a")
    cases = {
        f"{t}/+": [f"{t}/x", f"{t}/"],
        f"{t}/#": [f"{t}", f"{t}/", f"{t}/x", f"{t}/x/y", f"{t}//y", f"{t}/ü/語"],
        f"{t}/+/y": [f"{t}/x/y", f"{t}//y"],
        f"+/{t}": [f"/{t}"],
        f"/{t}/": [f"/{t}/"],
        f"{t}/ü/語": [f"{t}/ü/語"],
    }
    every = sorted({topic for topics in cases.values() for topic in topics})
    for filter, topics in cases.items():
        a.subscribe(filter, 1)
        for topic in every:
            a.publish(topic, "x", 1)
        assert sorted(a.next().topic for _ in topics) == sorted(topics), filter
        a.unsubscribe(filter)
    a.subscribe(f"{t}mark")
    a.nothing_before(f"{t}mark")
    a.close()


def retained(t):
    a = Client(f"{t}a")
    for qos in (0, 1, 2):
        a.publish(f"{t}/{qos}", f"qos {qos}", qos, retain=True)
    a.subscribe(f"{t}/+", 2)
    assert sorted((m.topic, m.text, m.qos, m.retain) for m in (a.next() for _ in range(3))) == [
        (f"{t}/{qos}", f"qos {qos}", qos, True) for qos in (0, 1, 2)
    ]
    # To those who are there it is a message like others.
    a.publish(f"{t}/0", "again", 1, retain=True)
    assert not a.next().retain
    for qos in (0, 1, 2):
        a.publish(f"{t}/{qos}", "", 1, retain=True)
    assert a.texts(3) == ["", "", ""]
    a.subscribe(f"{t}/#", 2)
    a.subscribe(f"{t}mark")
    a.nothing_before(f"{t}mark")
    a.close()


def offline(t):
    a = persistent(f"{t}a")
    assert not a.present
    a.subscribe(f"{t}/+", 2)
    a.close()
    b = Client(f"{t}b")
    for number in range(20):
        b.publish(f"{t}/{number % 3}", str(number), 1 + number % 2)
    a = persistent(f"{t}a")
    assert a.present
    # Each QoS in its order; of QoS 2 the client shows a message when it is released.
    got = [a.next() for _ in range(20)]
    for qos in (1, 2):
        assert [int(m.text) for m in got if m.qos == qos] == list(range(qos - 1, 20, 2))
    a.close()
    # A clean start ends the session.
    Client(f"{t}a", clean=True).close()
    a = persistent(f"{t}a")
    assert not a.present
    b.publish(f"{t}/0", "lost", 1)
    a.subscribe(f"{t}mark")
    a.nothing_before(f"{t}mark")
    for client in (a, b):
        client.close()


def wills(t):
    watch = Client(f"{t}watch")
    watch.subscribe(f"{t}/#", 2)
    will = {"topic": f"{t}/will", "payload": "gone", "qos": 2, "retain": True}
    Client(f"{t}a", will=will).close()
    Client(f"{t}a", will=will).break_off()
    assert [(m.topic, m.text, m.qos, m.retain) for m in [watch.next()]] == [(f"{t}/will", "gone", 2, False)]
    late = Client(f"{t}late")
    late.subscribe(f"{t}/will", 1)
    assert late.next().retain
    # Taken over counts as broken.
    will["payload"] = "taken over"
    first = Client(f"{t}b", will=will)
    second = Client(f"{t}b")
    first.left()
    assert watch.next().text == "taken over"
    watch.publish(f"{t}/will", "", 1, retain=True)
    for client in (watch, late, second):
        client.close()


def keep_alive(t):
    watch = Client(f"{t}watch")
    watch.subscribe(f"{t}/will", 1)
    silent = Client(f"{t}a", keepalive=5, will={"topic": f"{t}/will", "payload": "silent", "qos": 1})
    silent.mqtt.loop_stop()
    since = time.monotonic()
    assert watch.next().text == "silent"
    assert 4 < time.monotonic() - since < 10
    watch.close()


def zero_length_id(t):
    first, second = Client(""), Client("")
    if FIVE:
        names = [client.told.AssignedClientIdentifier for client in (first, second)]
        assert len(set(names)) == 2 and all(names), names
    for client in (first, second):
        client.subscribe(f"{t}/x", 1)
    first.publish(f"{t}/x", "hello", 1)
    assert (first.next().text, second.next().text) == ("hello", "hello")
    for client in (first, second):
        client.close()
    if not FIVE:
        # Without a name there is no session to come back to: code 2.
        with socket.create_connection((HOST, PORT), WAIT_S) as stream:
            stream.sendall(b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00")
            assert stream.recv(16) == b"\x20\x02\x00\x02"
            assert stream.recv(16) == b""


def overlapping(t):
    a = Client(f"{t}a")
    if FIVE:
        a.subscribe(f"{t}/#", 2, id=1)
        a.subscribe(f"{t}/+", 1, id=2)
    else:
        a.subscribe(f"{t}/#", 2)
        a.subscribe(f"{t}/+", 1)
    a.publish(f"{t}/x", "once", 2)
    message = a.next()
    assert message.qos == 2
    if FIVE:
        assert sorted(message.properties.SubscriptionIdentifier) == [1, 2]
    a.subscribe(f"{t}mark")
    a.nothing_before(f"{t}mark")
    a.close()


def redelivery(t):
    a = persistent(f"{t}a", manual=True)
    a.subscribe(f"{t}/x", 2)
    b = Client(f"{t}b")
    for number in range(6):
        b.publish(f"{t}/x", str(number), 1)
    seen = [a.next() for _ in range(6)]
    for message in seen[:2]:
        a.mqtt.ack(message.mid, message.qos)
    a.mqtt.unsubscribe(f"{t}/nothing")
    a.publish(f"{t}/y", "its acknowledgement comes after the two were taken", 1)
    a.break_off()
    b.publish(f"{t}/x", "6", 1)
    a = persistent(f"{t}a")
    again = [a.next() for _ in range(5)]
    assert [m.text for m in again] == ["2", "3", "4", "5", "6"]
    assert all(m.dup for m in again[:4])
    assert [m.mid for m in again[:4]] == [m.mid for m in seen[2:]]
    for client in (a, b):
        client.close()


def dollar(t):
    a = Client(f"{t}a")
    a.subscribe("#", 1)
    a.subscribe(f"+/{t}", 1)
    a.publish(f"$own/{t}", "hidden", 1)
    a.publish(f"seen/{t}", "seen", 1)
    while (message := a.next()).text != "seen":
        assert not message.topic.startswith("$"), message.topic
    a.unsubscribe("#")
    a.subscribe(f"$own/{t}", 1)
    a.publish(f"$own/{t}", "asked for by name", 1)
    while (message := a.next()).text != "asked for by name":
        assert not message.topic.startswith("$"), message.topic
    a.close()


def unsubscribing(t):
    a, b = Client(f"{t}a"), Client(f"{t}b")
    for name in ("x", "y", "z"):
        a.subscribe(f"{t}/{name}", 2)
    assert a.unsubscribe(f"{t}/x") == ([0] if FIVE else [])
    assert a.unsubscribe(f"{t}/x") == ([0x11] if FIVE else [])
    for name in ("x", "y", "z"):
        b.publish(f"{t}/{name}", name, 1)
    assert a.texts(2) == ["y", "z"]
    for client in (a, b):
        client.close()


def refused(t):
    a = Client(f"{t}a")
    # The protocol's own topics are nothing for a plain client; the connection stays.
    assert a.subscribe("room/lobby") == [0x87 if FIVE else 0x80]
    assert a.subscribe(f"$share/{t}/room/lobby") == [0x9E if FIVE else 0x80]
    assert a.publish("room/lobby", "x", 1) == (0x87 if FIVE else 0)
    a.close()


def session_expiry(t):
    a = persistent(f"{t}a", seconds=1)
    a.subscribe(f"{t}/x")
    a.close()
    assert persistent(f"{t}b", seconds=99999).told.SessionExpiryInterval == 7200
    time.sleep(2)
    a = persistent(f"{t}a", seconds=1)
    assert not a.present
    # Changed at the end: longer, then none.
    a.close(SessionExpiryInterval=60)
    time.sleep(2)
    a = persistent(f"{t}a", seconds=60)
    assert a.present
    a.close(SessionExpiryInterval=0)
    a = persistent(f"{t}a", seconds=0)
    assert not a.present
    a.mqtt.disconnect(None, known(PacketTypes.DISCONNECT, SessionExpiryInterval=5))
    a.left()


def message_expiry(t):
    a = persistent(f"{t}a")
    a.subscribe(f"{t}/x", 2)
    a.close()
    b = Client(f"{t}b")
    for qos in (1, 2):
        b.publish(f"{t}/x", "short", qos, MessageExpiryInterval=1)
        b.publish(f"{t}/x", "long", qos, MessageExpiryInterval=30)
    b.publish(f"{t}/kept", "short", 1, True, MessageExpiryInterval=1)
    b.publish(f"{t}/keeps", "long", 1, True, MessageExpiryInterval=30)
    time.sleep(2)
    a = persistent(f"{t}a")
    a.subscribe(f"{t}/+", 2)
    for message in (a.next() for _ in range(3)):
        assert message.text == "long" and 20 < message.properties.MessageExpiryInterval < 30
    a.subscribe(f"{t}mark")
    a.nothing_before(f"{t}mark")
    for client in (a, b):
        client.close()


def options(t):
    a, b = Client(f"{t}a"), Client(f"{t}b")
    a.subscribe(f"{t}/local", 1, noLocal=True)
    a.publish(f"{t}/local", "own", 1)
    b.publish(f"{t}/local", "another's", 1)
    assert a.next().text == "another's"

    a.subscribe(f"{t}/as", 1, retainAsPublished=True)
    b.publish(f"{t}/as", "kept", 1, retain=True)
    b.publish(f"{t}/as", "not kept", 1)
    assert [a.next().retain, a.next().retain] == [True, False]

    for handling, again in ((0, ["kept", "kept"]), (1, ["kept"]), (2, [])):
        reader = Client(f"{t}r{handling}")
        for _ in range(2):
            reader.subscribe(f"{t}/as", 1, retainHandling=handling)
        b.publish(f"{t}/as", "mark", 1)
        assert reader.texts(len(again) + 1) == [*again, "mark"]
        reader.close()
    b.publish(f"{t}/as", "", 1, retain=True)
    for client in (a, b):
        client.close()


def properties(t):
    a = Client(f"{t}a", RequestResponseInformation=1)
    assert a.told.ResponseInformation == f"response/{t}a"
    answers = f"{a.told.ResponseInformation}/1"
    a.subscribe(answers, 1)
    b = Client(f"{t}b")
    b.subscribe(f"{t}/ask", 2, id=77)
    pairs = [("b", "2"), ("a", "1"), ("b", "3"), ("", "")]
    a.publish(
        f"{t}/ask",
        "question",
        2,
        PayloadFormatIndicator=1,
        ContentType="text/plain",
        ResponseTopic=answers,
        CorrelationData=b"\x00\xff",
        UserProperty=pairs,
    )
    got = b.next().properties
    assert (got.PayloadFormatIndicator, got.ContentType) == (1, "text/plain")
    assert (got.ResponseTopic, got.CorrelationData) == (answers, b"\x00\xff")
    assert (got.UserProperty, got.SubscriptionIdentifier) == (pairs, [77])
    b.publish(got.ResponseTopic, "answer", 1, CorrelationData=got.CorrelationData)
    answer = a.next()
    assert (answer.text, answer.properties.CorrelationData) == ("answer", b"\x00\xff")
    for client in (a, b):
        client.close()


def aliases(t):
    a = Client(f"{t}a", TopicAliasMaximum=1)
    most = a.told.TopicAliasMaximum
    assert most > 0
    a.subscribe(f"{t}/x", 2)
    a.publish(f"{t}/x", "sets", 0, TopicAlias=most)
    for qos in (0, 1, 2):
        a.publish("", f"qos {qos}", qos, TopicAlias=most)
    messages = [a.next() for _ in range(4)]
    assert [m.text for m in messages] == ["sets", "qos 0", "qos 1", "qos 2"]
    assert [m.topic for m in messages] == [f"{t}/x", "", "", ""]
    assert [m.properties.TopicAlias for m in messages] == [1, 1, 1, 1]
    a.mqtt.publish(f"{t}/x", "beyond", properties=known(PacketTypes.PUBLISH, TopicAlias=most + 1))
    assert a.left().value == 0x94


def packet_size(t):
    small = Client(f"{t}a", MaximumPacketSize=100)
    small.subscribe(f"{t}/x", 2)
    b = Client(f"{t}b")
    for qos in (0, 1, 2):
        b.publish(f"{t}/x", "x" * 100, qos)
        b.publish(f"{t}/x", "fits", qos)
    assert small.texts(3) == ["fits"] * 3
    most = b.told.MaximumPacketSize
    b.mqtt.publish(f"{t}/x", "x" * (most + 1))
    assert b.left().value == 0x95
    small.close()


def flow_control(t):
    a = persistent(f"{t}a", manual=True, ReceiveMaximum=3)
    a.subscribe(f"{t}/x", 1)
    a.subscribe(f"{t}/mark", 0)
    b = Client(f"{t}b")
    for number in range(10):
        b.publish(f"{t}/x", str(number), 1)
    open = [a.next() for _ in range(3)]
    a.mqtt.publish(f"{t}/other", "x")
    for number in range(3, 10):
        assert a.inbox.empty(), "more than it takes"
        first = open.pop(0)
        a.mqtt.ack(first.mid, first.qos)
        open.append(a.next())
        assert open[-1].text == str(number)
    a.close()
    # The other way: QoS 2 that is never released.
    most = b.told.ReceiveMaximum
    with socket.create_connection((HOST, PORT), WAIT_S) as stream:
        stream.sendall(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03" + t[:3].encode())
        reader = stream.makefile("rb")
        packet(reader)
        for number in range(1, most + 2):
            stream.sendall(bytes([0x34, 6, 0, 1, ord("x"), number >> 8, number & 255, 0]))
        received = [packet(reader) for _ in range(most)]
        assert all(first == 0x50 for first, _ in received)
        assert packet(reader) == (0xE0, b"\x93")
        assert reader.read() == b""
    b.close()


def packet(reader):
    """The next packet of less than 128 bytes: its first byte and its body."""
    first, length = reader.read(2)
    return first, reader.read(length)


def shared(t):
    members = [Client(f"{t}{name}") for name in "abc"]
    for member in members:
        assert member.subscribe(f"$share/{t}/{t}/#", 1) == [1]
        member.subscribe(f"{t}own", 1)
    writer = Client(f"{t}w")
    for number in range(30):
        writer.publish(f"{t}/{number}", str(number), 1)
    got = [member.texts(10) for member in members]
    assert sorted(int(text) for texts in got for text in texts) == list(range(30))
    # What one has not acknowledged when it ends is another's.
    slow = Client(f"{t}slow", manual=True)
    for member in members[1:]:
        member.close()
    slow.subscribe(f"$share/{t}/{t}/#", 1)
    for number in range(10):
        writer.publish(f"{t}/x", str(number), 1)
    for _ in range(5):
        slow.next()
    slow.break_off()
    assert sorted(members[0].texts(10)) == [str(number) for number in range(10)]
    # Nothing retained, and no No Local.
    writer.publish(f"{t}/kept", "kept", 1, retain=True)
    assert members[0].next().text == "kept"
    members[0].subscribe(f"$share/{t}2/{t}/#", 1)
    members[0].nothing_before(f"{t}own")
    writer.publish(f"{t}/kept", "", 1, retain=True)
    members[0].mqtt.subscribe(f"$share/{t}/x", options=SubscribeOptions(1, noLocal=True))
    assert members[0].left().value == 0x82
    writer.close()


def will_delay(t):
    watch = Client(f"{t}watch")
    watch.subscribe(f"{t}/will", 1)
    will = {
        "topic": f"{t}/will",
        "payload": "gone",
        "qos": 1,
        "properties": known(PacketTypes.WILLMESSAGE, WillDelayInterval=2, UserProperty=("k", "v")),
    }
    # Back in time: no will.
    persistent(f"{t}a", will=will).break_off()
    a = persistent(f"{t}a", will=will)
    assert a.present
    time.sleep(3)
    assert watch.inbox.empty()
    since = time.monotonic()
    a.break_off()
    message = watch.next()
    assert 1.9 < time.monotonic() - since < 3.5
    assert (message.text, message.properties.UserProperty) == ("gone", [("k", "v")])
    # The end of the session does not wait; a good-bye may ask for the will.
    since = time.monotonic()
    persistent(f"{t}b", seconds=0, will=will).break_off()
    persistent(f"{t}c", seconds=0, will=will).close(code=4)
    assert watch.texts(2) == ["gone", "gone"] and time.monotonic() - since < 1.5
    watch.close()


def limits(t):
    a = Client(f"{t}a", keepalive=60000, RequestProblemInformation=1)
    assert a.told.ServerKeepAlive == 1200
    assert getattr(a.told, "MaximumQoS", 2) == 2 and a.told.RetainAvailable == 1
    a.close()
    # Second CONNECT, packet id 0, U+0000 in a topic, no topic at all, a wrong filter, what only servers send.
    connect = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03" + t[:3].encode()
    for wrong, code in (
        (connect, 0x82),
        (b"\x32\x06\x00\x01x\x00\x00\x00", 0x82),
        (b"\x30\x04\x00\x01\x00\x00", 0x81),
        (b"\x30\x03\x00\x00\x00", 0x82),
        (b"\x30\x08\x00\x01x\x03\x23\x00\x00x", 0x94),
        (b"\x30\x07\x00\x00\x03\x23\x00\x05x", 0x82),
        (b"\x40\x03\x00\x01\x01", 0x82),
        (b"\x20\x03\x00\x00\x00", 0x82),
        (b"\x36\x06\x00\x01x\x00\x01\x00", 0x81),
    ):
        with socket.create_connection((HOST, PORT), WAIT_S) as stream:
            reader = stream.makefile("rb")
            stream.sendall(connect)
            packet(reader)
            stream.sendall(wrong)
            assert packet(reader) == (0xE0, bytes([code])), wrong
            assert reader.read() == b""
    # A client that takes nothing as large as CONNACK hears nothing.
    with socket.create_connection((HOST, PORT), WAIT_S) as stream:
        stream.sendall(b"\x10\x15\x00\x04MQTT\x05\x02\x00\x3c\x05\x27\x00\x00\x00\x02\x00\x03" + t[:3].encode())
        assert stream.recv(16) == b""
    # What is no filter at all is told by its own code.
    with socket.create_connection((HOST, PORT), WAIT_S) as stream:
        reader = stream.makefile("rb")
        stream.sendall(connect)
        packet(reader)
        for filter in (b"a/#b", b"", b"+a", b"$share/g", b"$share/g#/a"):
            body = b"\x00\x01\x00" + len(filter).to_bytes(2, "big") + filter + b"\x00"
            stream.sendall(b"\x82" + bytes([len(body)]) + body)
            assert packet(reader) == (0x90, b"\x00\x01\x00\x8f"), filter


BOTH = [basic, wildcards, retained, offline, wills, keep_alive, zero_length_id, overlapping, redelivery, dollar, unsubscribing, refused]
ONLY_FIVE = [session_expiry, message_expiry, options, properties, aliases, packet_size, flow_control, shared, will_delay, limits]


def walk(test):
    try:
        test(f"{test.__name__}-{VERSION}")
        return True
    except Exception:
        print(f"{test.__name__}:\n{traceback.format_exc()}", file=sys.stderr)
        return False


tests = BOTH + (ONLY_FIVE if FIVE else [])
with ThreadPoolExecutor(len(tests)) as pool:
    good = list(pool.map(walk, tests))
print(f"{sum(good)} of {len(tests)} walks")
sys.stdout.flush()
sys.exit(0 if all(good) else 1)

"""MQTT over QUIC by aioquic against a fresh server: `aioquic_mqtt.py PORT ROOT CERTIFICATE KEY`."""

import asyncio
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated

PORT, (ROOT, CERTIFICATE, KEY) = int(sys.argv[1]), sys.argv[2:5]
WAIT_S = 10
# Crypto errors are 0x100 and the alert of TLS.
CERTIFICATE_REQUIRED, NO_APPLICATION_PROTOCOL = 0x100 + 116, 0x100 + 120


class Watched(QuicConnectionProtocol):
    """Remembers why the connection ended."""

    why = None

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.why = event.error_code
        super().quic_event_received(event)


def dial(certificate=True, alpn="mqtt"):
    config = QuicConfiguration(is_client=True, alpn_protocols=[alpn], server_name="localhost")
    config.load_verify_locations(ROOT)
    if certificate:
        config.load_cert_chain(CERTIFICATE, KEY)
    return connect("127.0.0.1", PORT, configuration=config, create_protocol=Watched, wait_connected=False)


def text(value):
    return len(value).to_bytes(2, "big") + value.encode()


def packet(first, body):
    assert len(body) < 128
    return bytes([first, len(body)]) + body


CONNECT = packet(0x10, text("MQTT") + bytes([4, 2, 0, 60]) + text("alice"))
SUBSCRIBE = packet(0x82, b"\x00\x01" + text("hello") + b"\x01")
DISCONNECT = bytes([0xE0, 0])


async def within(work):
    return await asyncio.wait_for(work, WAIT_S)


async def connected(client):
    client.transmit()
    await within(client.wait_connected())


async def read(reader):
    head = await within(reader.readexactly(2))
    return head[0], await within(reader.readexactly(head[1]))


async def talks_and_moves():
    async with dial() as client:
        await connected(client)
        reader, writer = await client.create_stream()
        # A packet may come in pieces.
        writer.write(CONNECT[:5])
        await asyncio.sleep(0)
        writer.write(CONNECT[5:] + SUBSCRIBE)
        assert await read(reader) == (0x20, b"\x00\x00")
        assert await read(reader) == (0x90, b"\x00\x01\x01")
        writer.write(packet(0x30, text("hello") + b"one"))
        assert await read(reader) == (0x30, text("hello") + b"one")

        # From now on it comes by another socket: the server has to find that out, and to answer there.
        loop = asyncio.get_running_loop()
        before = client._transport
        await loop.create_datagram_endpoint(lambda: client, local_addr=before.get_extra_info("sockname")[:1] + (0,))
        assert client._transport is not before
        before.abort()
        client.change_connection_id()
        writer.write(packet(0x30, text("hello") + b"two"))
        assert await read(reader) == (0x30, text("hello") + b"two")
        await within(client.ping())

        # Streams beyond the first are not to be had.
        await client.create_stream()
        writer.write(DISCONNECT)
        assert await within(reader.read()) == b""


async def refused(alert, **how):
    """A client hears that its certificate is missing when it has long been connected, in its own opinion."""
    async with dial(**how) as client:
        try:
            await connected(client)
            reader, writer = await client.create_stream()
            writer.write(CONNECT)
            assert await within(reader.read()) == b"", "an answer"
        except ConnectionError:
            pass
        await within(client.wait_closed())
        assert client.why == alert, client.why


class Bridge:
    """A port of TCP behind which is a QUIC connection for each of its own, so that other clients speak QUIC."""

    def __init__(self):
        self.open = set()

    async def carry(self, near, near_writer):
        self.open.add(asyncio.current_task())
        async with dial() as client:
            await connected(client)
            far, far_writer = await client.create_stream()
            await asyncio.gather(self.pump(near, far_writer), self.pump(far, near_writer))

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        writer.write_eof() if writer.can_write_eof() else writer.close()

    async def run(self, program, *arguments):
        server = await asyncio.start_server(self.carry, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        path = __file__.replace("aioquic_mqtt.py", program)
        child = await asyncio.create_subprocess_exec(sys.executable, path, str(port), *arguments)
        assert await child.wait() == 0, program
        await within(asyncio.gather(*self.open))
        server.close()


async def main():
    await talks_and_moves()
    await refused(CERTIFICATE_REQUIRED, certificate=False)
    await refused(NO_APPLICATION_PROTOCOL, alpn="h3")
    await Bridge().run("paho_t1.py", "5")


asyncio.run(main())

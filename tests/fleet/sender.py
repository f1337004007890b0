# SPDX-License-Identifier: MIT
"""What a device sends, over a few lines of MQTT 3.1.1: hostile bytes and deaths are to be had exactly."""

import json
import secrets
import socket
import struct

COUNTS = dict.fromkeys(("episodes", "near_misses", "missed_deadlines", "false_alarms", "oom_kills", "victims",
                        "lost_events", "resets", "observed_s"), 0)
SPOOL = dict.fromkeys(("slots", "waiting", "sent", "evicted_heartbeats", "evicted_events", "evicted_alarms",
                       "damaged"), 0)


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


class Mqtt:
    """One connection. will: (topic, payload), retained, QoS 1."""

    def __init__(self, port, client_id="", will=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.message = 0
        flags, payload = 2, text(client_id or "test-" + secrets.token_hex(8))
        if will:
            flags |= 4 | 1 << 3 | 32
            payload += text(will[0]) + text(will[1])
        self.packet(0x10, text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60) + payload)
        kind, body = self.read()
        assert kind == 0x20 and body[1] == 0, f"the server refuses: {body}"

    def packet(self, kind, body):
        length, head = len(body), bytearray([kind])
        while True:
            length, low = divmod(length, 128)
            head.append(low | (128 if length else 0))
            if not length:
                break
        self.socket.sendall(bytes(head) + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the server has closed")
            data += part
        return data

    def read(self):
        kind, length, shift = self.exactly(1)[0], 0, 0
        while True:
            byte = self.exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return kind, self.exactly(length)

    def publish(self, topic, payload=b"", retain=False, qos=1):
        """Returns when the server has it."""
        body = payload.encode() if isinstance(payload, str) else payload
        self.message = self.message % 65535 + 1
        head = text(topic) + (struct.pack(">H", self.message) if qos else b"")
        self.packet(0x30 | qos << 1 | retain, head + body)
        if qos:
            kind, answer = self.read()
            assert kind == 0x40 and answer == struct.pack(">H", self.message), "no PUBACK"

    def close(self):
        self.packet(0xe0, b"")
        self.socket.close()

    def die(self):
        """As a process that was killed: the server sends the will."""
        self.socket.close()


class Device:
    """Its words; `mqtt` None: only words."""

    def __init__(self, name="lorry-1", fleet="north", firmware="1.0", instance=None):
        self.name, self.fleet, self.firmware = name, fleet, firmware
        self.instance = instance or secrets.token_hex(4)
        self.boot = secrets.token_hex(16)
        self.sequence = self.session = 0
        self.counts = dict(COUNTS)
        self.mqtt = None

    def topic(self, place):
        return f"failsoft/v1/{self.fleet}/{self.name}/{place}"

    def envelope(self, type_, data, **more):
        self.sequence += 1
        return {"specversion": "1.0", "id": f"{self.boot}-{self.sequence}", "source": f"/failsoft/{self.fleet}/{self.name}",
                "type": f"org.failsoft.{type_}.v1", "datacontenttype": "application/json", "bootid": self.boot,
                "sequence": f"{self.sequence:020}", "boottimeusec": str(1000000 * self.sequence), "clock": "unsynced",
                "firmware": self.firmware, "instance": self.instance, "data": data, **more}

    def state_data(self, stage="normal", **more):
        return {"online": True, "session": self.session, "stage": stage, "broker": True, "expect": "",
                "headroom_bytes": 500 << 20, "limit_bytes": 1 << 30, "counts": dict(self.counts), "spool": SPOOL, **more}

    def alarm_data(self, kind="imminent", raised=True, **more):
        return {"kind": kind, "raised": raised, "episode": 3, "domain": "system", "stage": "imminent",
                "headroom_bytes": 60 << 20, "limit_bytes": 1 << 30, "tte_usec": 4000000, "tte_early_usec": 2000000,
                "tte_late_usec": 6000000, "text": "system is exhausted in 4.0 s", **more}

    @staticmethod
    def report_data(**more):
        return {"episode": 3, "domain": "system", "highest": "imminent", "ended_by": "cleared", "near_miss": True,
                "false_alarm": False, "text": "Memory came back.", **more}

    @staticmethod
    def event_data(**more):
        return {"event": "stage", "number": 1, "time_usec": 5, "episode": 3, "domain": "system", "from": "normal",
                "to": "warning", "text": "memory falls", **more}

    # ---- over a connection ----

    def connect(self, port):
        self.session += 1
        will = self.envelope("state", {"online": False, "session": self.session})
        self.mqtt = Mqtt(port, f"{self.fleet}-{self.name}-{secrets.token_hex(4)}", (self.topic("state"), json.dumps(will)))
        self.birth()
        return self

    def birth(self, stage="normal", **more):
        self.send("state", "state", self.state_data(stage, **more), retain=True)

    def send(self, place, type_, data, retain=False, qos=1):
        message = self.envelope(type_, data)
        self.mqtt.publish(self.topic(place), json.dumps(message), retain, qos)
        return message

    def alarm(self, kind="imminent", raised=True, **more):
        """As the device does: the log, then the present state. Returns the message's id."""
        message = self.send("event", "alarm", self.alarm_data(kind, raised, **more))
        self.mqtt.publish(self.topic(f"alarm/{kind}"), json.dumps(message) if raised else b"", retain=True)
        return message["id"]

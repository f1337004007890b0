#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""failsoft-telemetry where somebody else is wrong: another device has its name."""

import time

import mqtt
import tap
from device_world import DeviceWorld
from world import expect, true


def same_names():
    """In two fleets, and twice in one: all stay connected, so the fleet's operators see them all."""
    with DeviceWorld() as w:
        for number, fleet in enumerate(("test", "test", "other")):
            w.state = w.folder / f"state-{number}"
            w.state.mkdir()
            w.start_device(fleet=fleet)
            tap.wait_for(lambda n=number: w.device_log().count("connected to") > n, "a connection")
        log = w.mosquitto.log
        time.sleep(2)
        births, said, lost = w.data("state", online=True), log.read_text(), w.device_log().count("not connected")
    instances = {m[2]["instance"] for m in births}
    tap.check("devices with one name do not throw each other out",
              expect(lost=(lost, 0), instances=(len(instances), 2), out=("already connected" in said, False)) +
              true(fleet="as failsoft-other-dev-" in said, named=all(f"as failsoft-test-dev-{i}" in said
                                                                     for i in instances)))


def main():
    mqtt.need("mosquitto", "mosquitto_sub", "mosquitto_pub", "dbus-daemon")
    for story in (same_names,):
        story()
    tap.done()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A logistics partner: reads karwan.dispatch.events with kcat and takes each event once, in order,
by its place (`ce_sequence` is epoch-number, and numbers of a partition run 1, 2, 3 …):
not greater is a repeat; a hole is waited for, what is missing comes again behind it; a barrier says
that what was taken of an older epoch after its number is void.
Python 3 and its standard library only: python3 is on every Debian 12.

    env $(./karwan env) infra/simulators/partner.py
"""
import json
import os
import subprocess
import sys

place: dict[int, tuple[int, int]] = {}  # by partition; keep it in the transaction of what you do
kcat = ["kcat", "-C", "-b", os.environ["KARWAN_KAFKA_BROKERS"], "-t", "karwan.dispatch.events",
        "-o", "beginning", "-J", "-u", "-q"] + sys.argv[1:]  # -e: until the end of now
with subprocess.Popen(kcat, stdout=subprocess.PIPE) as log:
    for record in map(json.loads, log.stdout or ()):
        head = dict(zip(record["headers"][::2], record["headers"][1::2]))
        epoch, number = map(int, head["ce_sequence"].split("-"))
        last = place.get(record["partition"], (epoch, number - 1))
        barrier = head["ce_type"] == "karwan.epoch.started.v1" and epoch > last[0]
        if barrier and number <= last[1] + 1:
            if number <= last[1]:
                print(f"void: numbers {number} to {last[1]} of partition {record['partition']}")
        elif number != last[1] + 1 or epoch < last[0]:
            continue
        place[record["partition"]] = (epoch, number)
        parcel = json.loads(record["payload"])
        if "parcel_id" in parcel:
            print(head["ce_type"], parcel["parcel_id"], parcel["state"], parcel.get("courier", "-"),
                  parcel.get("tracking_number", "-"), parcel["ship_to"]["city"], flush=True)

"""What paho-mqtt does as a device of an IoT hub, and as a client of a namespace; called by paho-clients.test.ts."""

import base64
import hashlib
import hmac
import json
import queue
import sys
import time
import urllib.parse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SECONDS = 20


def sas_token(resource, key):
    sr, se = urllib.parse.quote(resource, safe=""), int(time.time()) + 3600
    signature = hmac.new(base64.b64decode(key), f"{sr}\n{se}".encode(), hashlib.sha256).digest()
    sig = urllib.parse.quote(base64.b64encode(signature).decode(), safe="")
    return f"SharedAccessSignature sr={sr}&sig={sig}&se={se}"


def start(client, host, port, ca=None, certificate=None, properties=None):
    client.connected, client.granted, client.messages = queue.Queue(), queue.Queue(), queue.Queue()
    client.on_connect = lambda _client, _data, _flags, code, _properties=None: client.connected.put(code)
    client.on_subscribe = lambda _client, _data, _id, codes, _properties=None: client.granted.put(codes)
    client.on_message = lambda _client, _data, message: client.messages.put(message)
    if ca:
        client.tls_set(ca, *(certificate or []))
    client.connect(host, int(port), properties=properties)
    client.loop_start()
    print("connected", client.connected.get(timeout=SECONDS), flush=True)


def stop(client):
    client.disconnect()
    client.loop_stop()


def subscribe(client, topic_filter, qos):
    client.subscribe(topic_filter, qos)
    client.granted.get(timeout=SECONDS)


def publish(client, topic, payload, qos, properties=None):
    client.publish(topic, payload, qos, properties=properties).wait_for_publish(SECONDS)


def device(connection_string, ca):
    parts = dict(part.split("=", 1) for part in connection_string.split(";"))
    hub, name = parts["HostName"], parts["DeviceId"]
    host, _, port = parts["GatewayHostName"].partition(":")
    client = mqtt.Client(client_id=name, protocol=mqtt.MQTTv311)
    client.username_pw_set(
        f"{hub}/{name}/?api-version=2021-04-12", sas_token(f"{hub}/devices/{name}", parts["SharedAccessKey"])
    )
    start(client, host, port or 8883, ca)
    properties = urllib.parse.urlencode({"$.ct": "application/json", "$.ce": "utf-8", "room": "7"})
    publish(client, f"devices/{name}/messages/events/{properties}", '{"temperature":21.5}', 1)
    subscribe(client, "$iothub/twin/res/#", 0)
    publish(client, "$iothub/twin/GET/?$rid=1", "", 0)
    twin = client.messages.get(timeout=SECONDS)
    print("twin", twin.topic, json.loads(twin.payload)["desired"]["interval"], flush=True)
    subscribe(client, "$iothub/methods/POST/#", 0)
    print("listens", flush=True)
    call = client.messages.get(timeout=SECONDS)
    rid = call.topic.partition("$rid=")[2]
    publish(client, f"$iothub/methods/res/200/?$rid={rid}", json.dumps({"got": json.loads(call.payload)}), 0)
    time.sleep(0.2)
    stop(client)


def namespace(host, port, told):
    """told: JSON with transport and topic, and where they are needed ca, user, certificate, method and token."""
    told = json.loads(told)
    topic, transport = told["topic"], told["transport"]
    client = mqtt.Client(client_id="paho", protocol=mqtt.MQTTv5, transport=transport)
    if transport == "websockets":
        client.ws_set_options(path="/mqtt")
    if "user" in told:
        client.username_pw_set(told["user"])
    proof = Properties(PacketTypes.CONNECT)
    if "token" in told:
        proof.AuthenticationMethod, proof.AuthenticationData = told["method"], told["token"].encode()
    start(client, host, port, told.get("ca"), told.get("certificate"), proof)
    subscribe(client, topic, 2)
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = ("room", "7")
    publish(client, topic, "21.5", 2, properties)
    message = client.messages.get(timeout=SECONDS)
    print("message", message.topic, message.payload.decode(), message.properties.UserProperty, flush=True)
    stop(client)


{"device": device, "namespace": namespace}[sys.argv[1]](*sys.argv[2:])

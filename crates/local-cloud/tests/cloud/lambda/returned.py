"""Returned values become what simplejson makes of them in AWS's runtime."""
me = role()
code = '''
import collections, datetime, decimal, enum
def ring():
    ring = []
    ring.append(ring)
    return ring
class Colour(enum.IntEnum):
    RED = 3
Pair = collections.namedtuple("Pair", "a b")
def lambda_handler(event, context):
    return {
        "bytes": lambda: {"image": b"YWJj", b"k": [b"\\xc3\\xa9"]}, "raw": lambda: b"\\x00raw", "latin": lambda: [b"\\xff"],
        "text": lambda: "größe 🐶 \\u2028 \\x7f \\x01 \\"",
        "numbers": lambda: [1.5, 1e100, float("nan"), float("-inf"), True, Colour.RED, 10 ** 30],
        "decimals": lambda: [decimal.Decimal("1.10"), decimal.Decimal("-NaN"), decimal.Decimal("1E+2")],
        "keys": lambda: {1: "a", None: "b", True: "c", 1.5: "d"}, "named": lambda: [Pair(1, (2,))], "none": lambda: None,
        "set": lambda: {1}, "date": lambda: {"d": datetime.datetime(2020, 1, 1)}, "key": lambda: {(1,): 2}, "ring": ring,
        "half": lambda: "\\ud800",
    }[event]()
'''
python("f", me, code)
python("old", me, code, Runtime="python3.11")
def answer(event, name="f"):
    response = lam.invoke(FunctionName=name, Payload=json.dumps(event))
    return response.get("FunctionError"), response["Payload"].read()
for event, expected in {
    "bytes": '{"image": "YWJj", "k": ["é"]}', "raw": "\x00raw", "text": '"größe 🐶 \u2028 \x7f \\u0001 \\""',
    "numbers": f"[1.5, 1e+100, NaN, -Infinity, true, 3, {10 ** 30}]", "decimals": "[1.10, NaN, 1E+2]",
    "keys": '{"1": "c", "null": "b", "1.5": "d"}', "named": '[{"a": 1, "b": [2]}]', "none": "null",
}.items():
    assert answer(event) == (None, expected.encode()), (event, answer(event))
assert answer("text", "old") == (None, b'"gr\\u00f6\\u00dfe \\ud83d\\udc36 \\u2028 \\u007f \\u0001 \\""') or answer("text", "old") == (
    None, b'"gr\\u00f6\\u00dfe \\ud83d\\udc36 \\u2028 \x7f \\u0001 \\""'), answer("text", "old")
for event, why in {
    "latin": "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte", "set": "Object of type set is not JSON serializable",
    "date": "Object of type datetime is not JSON serializable", "key": "keys must be str, int, float, bool or None, not tuple",
    "ring": "Circular reference detected",
}.items():
    error, body = answer(event)
    body = json.loads(body)
    assert error == "Unhandled" and body["errorType"] == "Runtime.MarshalError", body
    assert body["errorMessage"] == f"Unable to marshal response: {why}" and body["stackTrace"] == [], body
error, body = answer("half")
assert error == "Unhandled" and json.loads(body)["errorType"] == "Runtime.ExitError", body

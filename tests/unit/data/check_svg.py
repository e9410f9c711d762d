"""Reads an SVG on standard input with a parser of XML and writes the text of each <title> as one line of JSON. Fails
where it is no XML, or has an element or attribute that could do something."""
import json
import sys
import xml.etree.ElementTree as ElementTree

HARMLESS = {"svg", "title", "desc", "rect", "text", "g"}
root = ElementTree.fromstring(sys.stdin.buffer.read())
for element in root.iter():
    name = element.tag.removeprefix("{http://www.w3.org/2000/svg}")
    assert name in HARMLESS, name
    assert not any(key.startswith("on") or key.endswith("href") for key in element.attrib), element.attrib
    if name == "title":
        print(json.dumps(element.text))

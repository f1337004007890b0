#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""page.html as a C file, and the content security policy that lets its own style and script run, by their
hashes, and nothing else. Usage: embed.py PAGE OUTPUT"""

import base64
import hashlib
import pathlib
import re
import sys

page, output = sys.argv[1:]
text = pathlib.Path(page).read_bytes()


def source(tag):
    inside = re.search(rb'<%s>(.*?)</%s>' % (tag, tag), text, re.DOTALL).group(1)
    return "'sha256-" + base64.b64encode(hashlib.sha256(inside).digest()).decode() + "'"


policy = (f"default-src 'none'; style-src {source(b'style')}; script-src {source(b'script')}; "
          "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
          "require-trusted-types-for 'script'")
rows = [','.join(str(b) for b in text[i:i + 32]) for i in range(0, len(text), 32)]
pathlib.Path(output).write_text(
    '/* made by embed.py */\n#include "pages.h"\n\nconst char page_html[] = {' + ',\n'.join(rows) + ',0};\n'
    f'const unsigned long page_html_length = {len(text)};\nconst char page_policy[] = "{policy}";\n')

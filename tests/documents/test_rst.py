"""reStructuredText becomes sections."""

import pytest

from resift.documents.rst import read_rst


def test_a_page() -> None:
    page = """.. _top:

=====
Guide
=====

Read :ref:`the start <start>`, `a page <https://x.org>`_ and ``code``. It
goes on. See :func:`len` and `topic`_::

    indented = code

Install
=======

.. code-block:: sh
   :caption: How

   pip install x

.. note:: Mind this.

   And this.

.. toctree::
   :maxdepth: 2

   other

Sub
---

* one
* two

----

.. a comment
   over lines

End.
"""
    content = read_rst(page)
    assert content.title == "Guide"
    assert [(block.headings, block.kind, block.text) for block in content.blocks] == [
        ((), "text", "Read the start, a page and code. It\ngoes on. See len and topic:"),
        ((), "code", "indented = code"),
        (("Install",), "code", "pip install x"),
        (("Install",), "text", "Mind this.\n\n   And this."),
        (("Install", "Sub"), "text", "* one\n* two\n\nEnd."),
    ]


@pytest.mark.parametrize(
    "part", ["`", "``a", ":a:`", "====\n", "a\n=\n", ".. ", "::\n\n a\n", "`a <", ".. a::\n   b\n", "* "]
)
def test_pages_that_mean_harm(part: str) -> None:
    assert read_rst(part * 20_000).fields == {}

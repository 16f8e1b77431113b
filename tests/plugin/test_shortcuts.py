from napari_petlut.plugin.editing.shortcuts import SHORTCUTS, html_table, markdown_table


def test_no_key_is_given_twice():
    keys = [shortcut.key for shortcut in SHORTCUTS]
    assert len(set(keys)) == len(keys)


def test_every_key_is_in_the_help_and_in_the_table():
    for shortcut in SHORTCUTS:
        assert f"| `{shortcut.shown_key}` | {shortcut.description} |" in markdown_table()
        assert f"<b>{shortcut.shown_key}</b>" in html_table()

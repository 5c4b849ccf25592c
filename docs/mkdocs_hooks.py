"""Pages of the site that lie outside of docs/, and links that hold in the repository as well as on the site.

MkDocs reads this file (`hooks` in mkdocs.yml). Documents link to each other as files of the repository. Here each such link
becomes one to the page, or to a copy of the file, that the site has. What a link names must be there: `make docs` fails else.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
#: Documents of the repository that are pages of the site, and how these are called
PAGES = {
    "README.md": "index.md",
    "config/README.md": "configuration.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "tests/README.md": "tests.md",
}
#: The folder of the site with copies of other files that documents link to
COPIES = "files"
#: Links and pictures of Markdown; what stands in code is left as it is
CODE_OR_LINK = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|(?P<before>\]\()(?P<target>[^)\s]+)(?P<after>\))", re.DOTALL)


def on_files(files, config):
    """Add the documents outside of docs/ as pages, and copies of the files that any page links to."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for name in sorted({name for page in files.documentation_pages() for name in linked_files(page)}):
        files.append(File.generated(config, copy_of(name), abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Let the links of a page lead to places of the site."""

    def replaced(match):
        if match["code"]:
            return match["code"]
        return match["before"] + place_on_site(match["target"], page.file) + match["after"]

    return CODE_OR_LINK.sub(replaced, markdown)


def linked_files(page):
    """Return the files of the repository outside of docs/, apart from pages, that a page links to."""
    targets = [match["target"] for match in CODE_OR_LINK.finditer(page.content_string) if match["target"]]
    names = {name_in_repository(target, page) for target in targets}
    return {name for name in names if name and name not in PAGES and not name.startswith("docs/")}


def copy_of(name):
    """Return where the site has the copy of a file; Markdown is shown as text there, as it is no page."""
    return f"{COPIES}/{name}" + (".txt" if name.endswith(".md") else "")


def name_in_repository(target, page):
    """Return the file of the repository that a link names; None for a link that leads elsewhere."""
    path = target.partition("#")[0]
    if not path or re.match(r"[a-z]+:", path):
        return None
    source = {page: source for source, page in PAGES.items()}.get(page.src_uri, f"docs/{page.src_uri}")
    name = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / name).exists():
        raise PluginError(f"{source}: the link {target} names nothing in the repository")
    return name if (ROOT / name).is_file() else None


def place_on_site(target, page):
    """Return where a link leads on the site, relative to its page."""
    name = name_in_repository(target, page)
    if name is None:
        return target
    place = PAGES.get(name) or (name.removeprefix("docs/") if name.startswith("docs/") else copy_of(name))
    _, hash_sign, heading = target.partition("#")
    return posixpath.relpath(place, posixpath.dirname(page.src_uri) or ".") + hash_sign + heading

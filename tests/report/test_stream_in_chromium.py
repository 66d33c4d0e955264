"""The chapter of a stream in a real browser: it fits any window, zooms, and its drop-downs work."""

import pytest

from tests.report.browser import Watch, chromium
from tests.report.toy import report
from tests.support.stream_records import every_arm, stream_record
from tests.support.table_records import write

pytestmark = pytest.mark.slow
FIGURES = ("over-time", "losses")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page of two backbones; the second one's base is far above its other arms."""
    folder = tmp_path_factory.mktemp("stream")
    errors = [10.0 + day % 5 for day in range(40)]
    far = [stream_record("base", "STGCN", errors=[500.0] * 40), *every_arm("STGCN", errors=errors)[1:]]
    results = write([*every_arm(errors=errors), *far], folder / "results")
    report("--results", results, "--data", folder / "data", "--out", folder / "page.html")
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser, address):
    """The page, rendered; whatever a test does with it, it stays silent."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    watch = Watch(opened)
    opened.goto(address)
    opened.locator("html[data-ready=yes]").wait_for(state="attached", timeout=60_000)
    yield opened
    opened.wait_for_timeout(100)
    assert (watch.said, watch.dialogs) == ([], [])
    opened.close()


def plot(name: str) -> str:
    return f"stream-0-{name}-figure"


def shown(page, of: str):
    return page.evaluate(
        f"document.getElementById('{plot('over-time')}')._fullData.filter(t => t.visible === true).map(t => {of})"
    )


def test_the_page_fits_the_window_and_no_legend_covers_a_line(page):
    for width in (320, 480, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(400)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name in FIGURES:
            whole, legend, drawn = (
                page.locator(f"#{plot(name)} {part}").first.bounding_box()
                for part in ("svg.main-svg", ".legend .bg", ".draglayer .nsewdrag")
            )
            assert whole["x"] >= 0 and whole["x"] + whole["width"] <= width + 1, (name, width)
            assert legend["y"] + legend["height"] <= drawn["y"] + 1, (name, width)
            assert legend["x"] + legend["width"] <= width + 1 and drawn["height"] > legend["height"], (name, width)


def test_the_drop_downs_choose_the_backbone_with_its_scale_and_the_points(page):
    select = f"select[data-figure={plot('over-time')}]"
    scale = f"document.getElementById('{plot('over-time')}')._fullLayout.yaxis.range"
    assert shown(page, "t.y.length") == [6] * 5 and page.evaluate(scale)[1] < 16
    page.select_option(f"{select}[data-place='1']", "1")
    assert shown(page, "t.y.length") == [40] * 5
    page.select_option(f"{select}[data-place='0']", "1")
    assert shown(page, "t.name")[0] == "base, up to 500.00" and page.evaluate(scale) == pytest.approx([0, 1.3 * 14])
    page.select_option(f"{select}[data-place='0']", "0")
    assert shown(page, "t.name")[0] == "base" and page.evaluate(scale)[0] > 5


def double_click(page, x, y):
    page.mouse.dblclick(x, y)
    page.wait_for_timeout(500)


@pytest.mark.parametrize("backbones", [["0", "1"], ["1", "0"]])
def test_dragging_zooms_in_on_periods_and_a_double_click_goes_back(page, backbones):
    figure = page.locator(f"#{plot('over-time')}")
    figure.scroll_into_view_if_needed()
    axes = f"document.getElementById('{plot('over-time')}')._fullLayout"
    get_range = f"[...{axes}.xaxis.range, ...{axes}.yaxis.range]"
    for backbone in backbones:
        page.select_option(f"select[data-figure={plot('over-time')}][data-place='0']", backbone)
        before = page.evaluate(get_range)
        box = page.locator(f"#{plot('over-time')} .nsewdrag").first.bounding_box()
        x, y = (lambda share, box=box: box["x"] + box["width"] * share), box["y"] + box["height"] / 2
        page.mouse.move(x(0.3), y)
        page.mouse.down()
        page.mouse.move(x(0.6), y, steps=5)
        page.mouse.up()
        page.wait_for_timeout(300)
        zoomed = page.evaluate(get_range)
        assert before[0] < zoomed[0] < zoomed[1] < before[1]
        double_click(page, x(0.5), y)
        for _ in range(5):  # a busy machine may take two clicks for single ones
            if page.evaluate(get_range) == before:
                break
            double_click(page, x(0.5), y)
        double_click(page, x(0.5), y)
        assert page.evaluate(get_range) == before

// The map by mouse, touch and keyboard.
function point(movie) {
  if (movie === map.pointed) return;
  map.pointed = movie; // its title is drawn before others
  get("canvas").style.cursor = movie === undefined ? "grab" : "pointer";
  draw();
}

function moveOrPinch(event) {
  const { pointers } = map;
  const before = pointers.get(event.pointerId);
  const { offsetX: x, offsetY: y } = event;
  if (!before) {
    point(movieAt(x, y));
    return;
  }
  const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
  if (Math.hypot(x - before.x, y - before.y) > 3) map.moved = true;
  if (!map.moved) return;
  pointers.set(event.pointerId, { x, y });
  if (!other) {
    map.x += x - before.x;
    map.y += y - before.y;
    draw();
    return;
  }
  zoom(
    Math.hypot(x - other.x, y - other.y) / Math.max(Math.hypot(before.x - other.x, before.y - other.y), 1),
    (x + other.x) / 2,
    (y + other.y) / 2,
  );
}

function mapKey(event) {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  const { key } = event;
  const { clientWidth: width, clientHeight: height } = get("canvas");
  if (moves[key]) {
    map.x += moves[key][0];
    map.y += moves[key][1];
    draw();
  } else if (key === "+" || key === "=") zoom(1.4);
  else if (key === "-") zoom(1 / 1.4);
  else if (key === "0") showAll();
  else if (key === "Enter") {
    const distance = ({ at: [x, y] }) => Math.hypot(x - width / 2, y - height / 2);
    if (map.inView.length) openMovie(map.inView.reduce((a, b) => (distance(a) <= distance(b) ? a : b)).movie);
  } else return;
  event.preventDefault();
}

function startMap() {
  const canvas = get("canvas");
  canvas.onpointerdown = event => {
    canvas.setPointerCapture(event.pointerId);
    if (!map.pointers.size) map.moved = false;
    map.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  };
  canvas.onpointermove = moveOrPinch;
  canvas.onpointercancel = event => map.pointers.delete(event.pointerId);
  canvas.onpointerup = event => {
    map.pointers.delete(event.pointerId);
    const movie = map.moved ? undefined : movieAt(event.offsetX, event.offsetY);
    if (movie !== undefined) openMovie(movie);
  };
  canvas.addEventListener(
    "wheel",
    event => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
  canvas.onkeydown = mapKey;
  get("zoom-in").onclick = () => zoom(1.6);
  get("zoom-out").onclick = () => zoom(1 / 1.6);
  get("zoom-all").onclick = showAll;
  new ResizeObserver(() => {
    if (map.scale) draw();
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!get("map-view").hidden) show();
  });
}

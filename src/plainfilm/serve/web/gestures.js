// What mouse, pen and fingers do to the film.

const WHEEL_ZOOM = 0.0015; // a pixel of wheel, as an exponent
const LINE_PX = 16; // where a wheel counts lines
const WHOLE_DRAG = 1; // a drag across the stage runs through this share of the grey levels

/** Lets pointers handle the viewer. dragging: gives "window" or "move", what one pointer does; Shift or another button swaps. */
export function handleGestures(stage, viewer, dragging) {
  const pointers = new Map();
  let isSwapped = false;

  stage.addEventListener("pointerdown", (event) => {
    if (!viewer.hasPicture) return;
    isSwapped = event.button > 0 || event.shiftKey;
    pointers.set(event.pointerId, placeOf(event));
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before || !viewer.hasPicture) return;
    const now = placeOf(event);
    if (pointers.size === 2) pinch(event.pointerId, before, now);
    else drag(now.x - before.x, now.y - before.y);
    pointers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  stage.addEventListener("wheel", (event) => {
    if (!viewer.hasPicture) return;
    event.preventDefault();
    const pixels = event.deltaMode ? event.deltaY * LINE_PX : event.deltaY;
    viewer.zoom(Math.exp(-pixels * WHEEL_ZOOM * (event.ctrlKey ? 6 : 1)), placeOf(event)); // a trackpad's pinch comes with Ctrl
  }, { passive: false });
  stage.addEventListener("dblclick", () => viewer.hasPicture && viewer.reset());
  stage.addEventListener("contextmenu", (event) => viewer.hasPicture && event.preventDefault());

  function placeOf(event) {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  function drag(across, down) {
    const isMove = (dragging() === "move") !== isSwapped;
    if (isMove) return viewer.move(across, down);
    const levels = viewer.most * WHOLE_DRAG;
    const { width, level } = viewer.view;
    return viewer.window(width + (across / stage.clientWidth) * levels, level + (down / stage.clientHeight) * levels);
  }

  function pinch(moved, before, now) {
    const [, other] = [...pointers].find(([id]) => id !== moved);
    const apart = (place) => Math.hypot(place.x - other.x, place.y - other.y);
    const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
    viewer.move((now.x - before.x) / 2, (now.y - before.y) / 2);
    viewer.zoom(apart(now) / Math.max(1, apart(before)), middle);
  }
}

/** Line icons on a 24-unit square, drawn for this page. */
const shapes = {
  mic: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3"/>',
  micOff: '<path d="M9 9V6a3 3 0 0 1 6 0v5M15 13.4A3 3 0 0 1 9 12M5.5 11.5a6.5 6.5 0 0 0 10.6 5M18.5 11.5c0 .9-.2 1.700-.5 2.400M12 18v3M4 4l16 16"/>',
  camera: '<rect x="3" y="6.500" width="12.500" height="11" rx="2.500"/><path d="m15.500 11 5-3v8l-5-3"/>',
  cameraOff: '<path d="M7 6.500h6A2.500 2.500 0 0 1 15.500 9v2l5-3v8l-2.500-1.500M15 16.300a2.500 2.500 0 0 1-2 1.200H5.500A2.500 2.500 0 0 1 3 15V9c0-.8.4-1.600 1-2M4 4l16 16"/>',
  screen: '<rect x="3" y="4.500" width="18" height="12" rx="2"/><path d="M8.500 20h7M12 13.500v-5.500M9.500 10 12 7.500l2.500 2.500"/>',
  screenOff: '<rect x="3" y="4.500" width="18" height="12" rx="2"/><path d="M8.500 20h7M9.500 8l5 5M14.500 8l-5 5"/>',
  chat: '<path d="M4 6.500A2.500 2.500 0 0 1 6.500 4h11A2.500 2.500 0 0 1 20 6.500v7a2.500 2.500 0 0 1-2.500 2.500H10l-4.500 4v-4.100A2.500 2.500 0 0 1 4 13.500z"/><path d="M8 8.500h8M8 11.700h5"/>',
  people: '<circle cx="9" cy="8.500" r="3.500"/><path d="M2.500 19.500c.6-3.600 3.200-5.500 6.500-5.500s5.900 1.900 6.500 5.500M15.500 5.300a3.500 3.500 0 0 1 0 6.400M17.500 14.500c2.100.7 3.600 2.400 4 5"/>',
  hand: '<path d="M8 12V6a1.500 1.500 0 0 1 3 0v4.500V4.500a1.500 1.500 0 0 1 3 0v6V6a1.500 1.500 0 0 1 3 0v7.500c0 4-2.200 7-6 7-3 0-4.600-1.500-6-4.500L3.500 12.700a1.500 1.500 0 0 1 2.600-1.400z"/>',
  tiles: '<rect x="3.500" y="4.500" width="7.500" height="6.500" rx="1.500"/><rect x="13" y="4.500" width="7.500" height="6.500" rx="1.500"/><rect x="3.500" y="13" width="7.500" height="6.500" rx="1.500"/><rect x="13" y="13" width="7.500" height="6.500" rx="1.500"/>',
  stage: '<rect x="3.500" y="4.500" width="17" height="10" rx="1.500"/><path d="M4 18.500h4M10 18.500h4M16 18.500h4"/>',
  settings: '<circle cx="12" cy="12" r="3"/><path d="M12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.200 2.200M16.200 16.200l2.200 2.200M5.600 18.400l2.200-2.200M16.200 7.800l2.200-2.200"/>',
  leave: '<path d="M3.500 14.500c5-4.500 12-4.500 17 0l-1.800 2.700-3.700-1.400v-2.300c-2-.6-4-.6-6 0v2.300l-3.700 1.400z"/>',
  help: '<circle cx="12" cy="12" r="8.500"/><path d="M9.500 9.500a2.500 2.500 0 1 1 3.600 2.200c-.8.400-1.100.9-1.100 1.800M12 16.700v.1"/>',
  close: '<path d="m6 6 12 12M18 6 6 18"/>',
  send: '<path d="M4 12 20 4.500 15.500 20 11.500 13.500z M11.500 13.500 20 4.500"/>',
  pin: '<path d="M9 4h6l-.8 6 3.300 3.500h-11L9.800 10zM12 13.500V20"/>',
  lock: '<rect x="5" y="10.500" width="14" height="9.500" rx="2"/><path d="M8 10.500V8a4 4 0 0 1 8 0v2.500"/>',
  more: '<circle cx="6" cy="12" r="1.200"/><circle cx="12" cy="12" r="1.200"/><circle cx="18" cy="12" r="1.200"/>',
  speaker: '<path d="M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4 4 0 0 1 0 6M18 6.500a7.500 7.500 0 0 1 0 11"/>',
  star: '<path d="m12 4 2.400 5 5.600.700-4.100 3.800 1.100 5.500-5-2.700-5 2.700 1.100-5.500L4 9.700 9.600 9z"/>',
  back: '<path d="m14.500 5-7 7 7 7"/>',
  on: '<path d="m9.500 5 7 7-7 7"/>',
  quality: '<path d="M4 18v-3M9 18v-6M14 18V9M19 18V5"/>',
  link: '<path d="M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1"/>',
} as const;

export type IconName = keyof typeof shapes;

const drawn = new Map<IconName, SVGSVGElement>();

/** Draws an icon. It says nothing to screen readers: what it stands on does. */
export function icon(name: IconName): SVGSVGElement {
  let first = drawn.get(name);
  // Copies are made much faster than parsed: a list that is scrolled makes many.
  if (!first) drawn.set(name, (first = draw(name)));
  return first.cloneNode(true) as SVGSVGElement;
}

function draw(name: IconName): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  svg.innerHTML = shapes[name]; // constants above, never text from outside
  return svg;
}

// Package browser drives real browsers in end-to-end tests: headless Chromium
// through the DevTools protocol and headless Firefox through WebDriver BiDi,
// both with fake cameras and microphones and fresh profiles.
//
// The main type is [Page]: open a URL, evaluate JavaScript, wait until it is
// true, take a screenshot. Browsers end with the test that started them. The
// package contacts nothing but the URL it is told to open, and is imported by
// tests only.
package browser

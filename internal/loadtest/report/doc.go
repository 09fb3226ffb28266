// Package report shows a load test: [View] while it runs, on a terminal or in
// plain lines; [Text] at its end; and [HTML] as a page of its own, with plots,
// that needs nothing but a browser.
//
// cmd/plenum gives it what package record has recorded and package verdict
// made of it. It writes to the writers it is given, reads no clock and starts
// no goroutine. It must not judge: what is good or bad is package verdict's.
//
// Limits: plots have at most maxPoints points, the page names at most
// maxPeople participants one by one; it says how many it leaves out.
package report

// Package capture holds what browsers say about the packets of their video,
// for tests of everything that reads or chooses packets. Of the pictures it
// holds nothing but what stands in the clear with end-to-end encryption.
//
// [Read] returns the packets of one file of testdata in order of arrival;
// nothing was lost. A file is text, one packet a line, behind a line that names
// the sender:
//
//	ms encoding codec sequence-number timestamp marker payload-bytes head descriptor
//
// ms is the time since the first packet, encoding the place among those of a
// simulcast sender, smallest picture first; head are the first bytes of the
// payload and descriptor is the content of the AV1 dependency descriptor header
// extension, both in hexadecimal, with "-" for nothing.
//
// The package is imported by tests only. TestRecordCaptures of internal/e2e
// writes new files:
//
//	go test ./internal/e2e -run RecordCaptures -v -args -record $PWD/internal/testkit/capture/testdata
//
// H.264 of Firefox is missing: without a plugin, which it would have to
// download, Firefox does not offer it, and the recording skips it.
//
// Tests that count what is forwarded of a file say so when it is another one.
package capture

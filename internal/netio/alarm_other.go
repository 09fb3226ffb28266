//go:build !linux

package netio

import "time"

// Alarm lets one goroutine sleep; on this system it is time.Sleep.
type Alarm struct{}

// NewAlarm makes an alarm.
func NewAlarm() (*Alarm, error) { return &Alarm{}, nil }

// Sleep returns after d, at once if that is not above 0.
func (*Alarm) Sleep(d time.Duration) { time.Sleep(d) }

// Close ends the alarm. Its sleeper alone may call it.
func (*Alarm) Close() {}

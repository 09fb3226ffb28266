package muc

import (
	"slices"

	"github.com/plenum-conf/plenum/internal/xmpp"
)

// The functions of this file make one function out of several of a stage. No
// function set makes nil, so that an unused stage costs the room nothing.

func collect[F any](hooks []Hooks, stage func(*Hooks) F) []F {
	fs := make([]F, len(hooks))
	for i := range hooks {
		fs[i] = stage(&hooks[i])
	}
	return fs
}

func chain1(fs []func(*Room)) func(*Room) {
	fs = slices.DeleteFunc(fs, func(f func(*Room)) bool { return f == nil })
	if len(fs) <= 1 {
		return only(fs)
	}
	return func(r *Room) {
		for _, f := range fs {
			f(r)
		}
	}
}

func chain2[A any](fs []func(*Room, A)) func(*Room, A) {
	fs = slices.DeleteFunc(fs, func(f func(*Room, A)) bool { return f == nil })
	if len(fs) <= 1 {
		return only(fs)
	}
	return func(r *Room, a A) {
		for _, f := range fs {
			f(r, a)
		}
	}
}

func chain3[A, B any](fs []func(*Room, A, B)) func(*Room, A, B) {
	fs = slices.DeleteFunc(fs, func(f func(*Room, A, B)) bool { return f == nil })
	if len(fs) <= 1 {
		return only(fs)
	}
	return func(r *Room, a A, b B) {
		for _, f := range fs {
			f(r, a, b)
		}
	}
}

func chainJoin(fs []func(*Room, *Join) *xmpp.StanzaError) func(*Room, *Join) *xmpp.StanzaError {
	fs = slices.DeleteFunc(fs, func(f func(*Room, *Join) *xmpp.StanzaError) bool { return f == nil })
	if len(fs) <= 1 {
		return only(fs)
	}
	return func(r *Room, j *Join) *xmpp.StanzaError {
		for _, f := range fs {
			if err := f(r, j); err != nil {
				return err
			}
		}
		return nil
	}
}

func chainInbound(fs []inboundHook) inboundHook {
	fs = slices.DeleteFunc(fs, func(f inboundHook) bool { return f == nil })
	if len(fs) <= 1 {
		return only(fs)
	}
	return func(r *Room, in *Inbound) (bool, *xmpp.StanzaError) {
		for _, f := range fs {
			if handled, err := f(r, in); handled || err != nil {
				return handled, err
			}
		}
		return false, nil
	}
}

// only returns the single element of fs, or nil.
func only[F any](fs []F) (f F) {
	if len(fs) == 1 {
		f = fs[0]
	}
	return f
}

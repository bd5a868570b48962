package storetest

import "testing"

// A checker that explains everything would be no proof.
func TestTheModelRefusesWhatNoRegisterDoes(t *testing.T) {
	written := operation{Kind: put, Revision: 1, Write: "a", Outcome: done}
	for name, tt := range map[string]struct {
		before register
		op     operation
		ok     bool
		after  register
	}{
		"a write":                       {register{}, written, true, register{1, "a"}},
		"a write over another":          {register{1, "b"}, written, false, register{1, "b"}},
		"a conflict without cause":      {register{}, operation{Kind: put, Revision: 1, Outcome: conflict}, false, register{1, ""}},
		"a read of what was written":    {register{1, "a"}, operation{Kind: get, Outcome: done, ReadRevision: 1, Read: "a"}, true, register{1, "a"}},
		"a read of what was not":        {register{1, "a"}, operation{Kind: get, Outcome: done, ReadRevision: 1, Read: "b"}, false, register{1, "a"}},
		"a record that is not found":    {register{1, "a"}, operation{Kind: get, Outcome: notFound}, false, register{1, "a"}},
		"one that was taken twice":      {register{}, operation{Kind: del, Revision: 1, Outcome: done}, false, register{}},
		"one that moved on":             {register{2, "a"}, operation{Kind: del, Revision: 1, Outcome: conflict}, true, register{2, "a"}},
		"one that did not move on":      {register{1, "a"}, operation{Kind: del, Revision: 1, Outcome: conflict}, false, register{}},
		"a write that was cut off":      {register{}, operation{Kind: put, Revision: 1, Write: "a", Outcome: unknown}, true, register{1, "a"}},
		"one that was cut off for good": {register{7, "b"}, operation{Kind: put, Revision: 1, Write: "a", Outcome: unknown}, true, register{7, "b"}},
	} {
		ok, after := step(tt.before, tt.op)
		if ok != tt.ok || after != tt.after {
			t.Errorf("%s: %v, %+v; want %v, %+v", name, ok, after, tt.ok, tt.after)
		}
	}
}

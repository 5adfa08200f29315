package fakehetzner

import (
	"maps"
	"net/http"
)

// changed answers a PUT that gives a thing another name or other labels.
func changed[T item](c *Cloud, r *call, s *shelf[T], t T, checkName func(string) error) (reply, error) {
	var in struct {
		Name   *string            `json:"name"`
		Labels *map[string]string `json:"labels"`
	}
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	h := t.common()
	if in.Labels != nil {
		if err := checkLabels(*in.Labels); err != nil {
			return reply{}, err
		}
	}
	if in.Name != nil && *in.Name != "" && *in.Name != h.Name {
		if checkName != nil {
			if err := checkName(*in.Name); err != nil {
				return reply{}, err
			}
		}
		if _, there := s.named(*in.Name); there {
			return reply{}, notUnique("name")
		}
		h.Name = *in.Name
	}
	if in.Labels != nil {
		h.Labels = maps.Clone(*in.Labels)
		if h.Labels == nil {
			h.Labels = map[string]string{}
		}
	}
	return shown(c, s, t, http.StatusOK)
}

// shown answers with one thing.
func shown[T item](c *Cloud, s *shelf[T], t T, status int) (reply, error) {
	return reply{status: status, body: obj{s.one: t.view(c)}}, nil
}

// getter answers GET /KIND/{id}, lister GET /KIND, changer PUT, dropper DELETE.
func getter[T item](c *Cloud, s *shelf[T]) work {
	return func(r *call) (reply, error) {
		t, err := s.get(r.id)
		if err != nil {
			return reply{}, err
		}
		return shown(c, s, t, http.StatusOK)
	}
}

func lister[T item](c *Cloud, s *shelf[T]) work {
	return func(r *call) (reply, error) { return listed(c, r, s, nil) }
}

func changer[T item](c *Cloud, s *shelf[T]) work {
	return func(r *call) (reply, error) {
		t, err := s.get(r.id)
		if err != nil {
			return reply{}, err
		}
		return changed(c, r, s, t, nil)
	}
}

// dropper deletes unless used says why not.
func dropper[T item](c *Cloud, s *shelf[T], used func(T) error) work {
	return func(r *call) (reply, error) {
		t, err := s.get(r.id)
		if err != nil {
			return reply{}, err
		}
		if t.common().protected {
			return reply{}, isProtected(s.one)
		}
		if c.busy(target{s.one, r.id}) {
			return reply{}, isLocked()
		}
		if used != nil {
			if err := used(t); err != nil {
				return reply{}, err
			}
		}
		drop(c, s, t)
		return reply{status: http.StatusNoContent}, nil
	}
}

// protector answers /KIND/{id}/actions/change_protection.
func protector[T item](c *Cloud, s *shelf[T]) work {
	return func(r *call) (reply, error) {
		t, err := s.get(r.id)
		if err != nil {
			return reply{}, err
		}
		var in struct {
			Delete *bool `json:"delete"`
		}
		if err := r.decode(&in); err != nil {
			return reply{}, err
		}
		done := func() {
			if in.Delete != nil {
				t.common().protected = *in.Delete
			}
		}
		return c.started(c.start(r, "change_protection", c.opt.Timing.Attach, done, target{s.one, r.id}))
	}
}

package cloudtest

import (
	"context"
	"testing"

	"github.com/payperplay/payperplay/controller/cloud"
)

func testImages(t *testing.T, r Rig) {
	m := r.on(t, r.Provider, r.order("builder"))
	var made []cloud.Image
	for _, name := range []string{"first", "second"} {
		i, err := r.Provider.Snapshot(t.Context(), m.ID, name, map[string]string{cloud.LabelRole: string(cloud.RoleImage), "agent": "V1_2"})
		if err != nil {
			t.Fatal(err)
		}
		if i.ID == "" || i.Name != name || i.Labels[cloud.LabelRole] != string(cloud.RoleImage) || i.Labels["agent"] != cloud.LabelValue("V1_2") || !cloud.Ours(i.Labels, r.Cluster) {
			t.Errorf("Snapshot gave %+v", i)
		}
		eventually(t, "image "+name+" is ready", func(ctx context.Context) (bool, error) {
			var err error
			i, err = r.Provider.Image(ctx, i.ID)
			return i.Ready, err
		})
		if i.Bytes <= 0 || i.Arch == "" || i.Name != name {
			t.Errorf("an image that is ready is %+v", i)
		}
		made = append(made, i)
	}
	list, err := r.Provider.Images(t.Context())
	if err != nil || len(list) != 2 || list[0].ID != made[1].ID || list[1].ID != made[0].ID {
		t.Errorf("Images: %v, %v: want both, the newest first", list, err)
	}
	o := r.order("spare")
	o.Image = made[0].ID
	if got := r.on(t, r.Provider, o); got.Image != made[0].ID {
		t.Errorf("a machine of image %s has %s", made[0].ID, got.Image)
	}
	for range 2 {
		if err := r.Provider.DeleteImage(t.Context(), made[0].ID); err != nil {
			t.Fatalf("DeleteImage: %v", err)
		}
	}
	_, err = r.Provider.Image(t.Context(), made[0].ID)
	r.fails(t, "Image of one that was deleted", err, cloud.NotFound)
	if err := r.Provider.Remove(t.Context(), cloud.Thing{Kind: cloud.ThingImage, ID: made[1].ID}); err != nil {
		t.Errorf("Remove: %v", err)
	}
	o.Name = "late"
	_, err = r.Provider.Create(t.Context(), o)
	r.fails(t, "a machine of an image that is gone", err, cloud.Invalid)

	r.World.Inject(t, LoseReply, OnImage)
	_, err = r.Provider.Snapshot(t.Context(), m.ID, "lost", nil)
	r.fails(t, "Snapshot, its reply lost", err, cloud.Uncertain)
	if list, err := r.Provider.Images(t.Context()); err != nil || len(list) != 1 || list[0].Name != "lost" {
		t.Errorf("Images: %v, %v: want the one whose reply was lost", list, err)
	}
	if i, err := r.Provider.Image(t.Context(), r.SystemImage); err != nil || !i.Ready || cloud.Ours(i.Labels, r.Cluster) {
		t.Errorf("Image of the provider's: %+v, %v", i, err)
	}
}

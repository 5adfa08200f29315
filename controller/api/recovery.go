package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/lifecycle"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

func (a *API) showRecovery(c echo.Context, _ Actor) error {
	return a.answerRecovery(c)
}

func (a *API) answerRecovery(c echo.Context) error {
	v, err := a.Lifecycle.Recovery(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, recoveryView(v))
}

func (a *API) leadRecovery(c echo.Context, actor Actor) error {
	if _, err := a.Lifecycle.Lead(c.Request().Context(), actor.Name); err != nil {
		return err
	}
	return a.answerRecovery(c)
}

func (a *API) endRecovery(c echo.Context, actor Actor) error {
	var req client.EndRecovery
	if err := decode(c, &req); err != nil {
		return err
	}
	ctx := c.Request().Context()
	before, err := a.Lifecycle.Recovery(ctx)
	if err != nil {
		return err
	}
	if err := a.Lifecycle.EndRecovery(ctx, actor.Name, req.Leave); err != nil {
		return err
	}
	if before.Open { // what was not told of epochs meanwhile is told now
		a.Tunnel.Recall(ctx, "", "the recovery mode has ended")
	}
	return a.answerRecovery(c)
}

func (a *API) adoptAll(c echo.Context, actor Actor) error {
	ctx := c.Request().Context()
	done, failed, err := a.Lifecycle.AdoptAll(ctx, actor.Name)
	if err != nil {
		return err
	}
	out := client.Adopted{Servers: []string{}, Problems: []client.Problem{}}
	for _, s := range done {
		out.Servers = append(out.Servers, s.Name)
	}
	for _, err := range failed {
		out.Problems = append(out.Problems, problemFrom(err))
	}
	v, err := a.Lifecycle.Recovery(ctx)
	if err != nil {
		return err
	}
	out.Recovery = recoveryView(v)
	return c.JSON(http.StatusOK, out)
}

func (a *API) decideServer(c echo.Context, actor Actor, do func(context.Context, string, string) (fleet.Server, error)) error {
	if _, err := do(c.Request().Context(), actor.Name, c.Param("name")); err != nil {
		return err
	}
	return a.answerRecovery(c)
}

func (a *API) adoptServer(c echo.Context, actor Actor) error {
	return a.decideServer(c, actor, a.Lifecycle.Adopt)
}

func (a *API) keepServer(c echo.Context, actor Actor) error {
	return a.decideServer(c, actor, a.Lifecycle.Keep)
}

func (a *API) forgetServer(c echo.Context, actor Actor) error {
	return a.decideServer(c, actor, a.Lifecycle.Forget)
}

func (a *API) adoptNode(c echo.Context, actor Actor) error {
	if _, err := a.Tunnel.AdoptNode(c.Request().Context(), actor.Name, c.Param("name"), ""); err != nil {
		return err
	}
	return a.answerRecovery(c)
}

func (a *API) keepNode(c echo.Context, actor Actor) error {
	if err := a.Lifecycle.KeepNode(c.Request().Context(), actor.Name, c.Param("name")); err != nil {
		return err
	}
	return a.answerRecovery(c)
}

func (a *API) forgetNode(c echo.Context, actor Actor) error {
	if err := a.Tunnel.ForgetNode(c.Request().Context(), actor.Name, c.Param("name")); err != nil {
		return err
	}
	return a.answerRecovery(c)
}

// recoveryBrief is nil in normal times.
func (a *API) recoveryBrief(ctx context.Context) (*client.RecoveryBrief, error) {
	var r fleet.Recovery
	err := a.DB.View(ctx, func(tx store.Tx) (err error) {
		r, err = fleet.ReadRecovery(tx)
		return err
	})
	if err != nil || !r.Open {
		return nil, err
	}
	text, next := explainRecovery(lifecycle.RecoveryView{Recovery: r})
	return &client.RecoveryBrief{Reason: string(r.Reason), Explain: text, Next: next, Since: r.Since, Undecided: r.Undecided}, nil
}

// explainRecovery says it in one sentence, with the next step.
func explainRecovery(v lifecycle.RecoveryView) (text, next string) {
	const still = "; games run on, and nothing is started, placed or deleted"
	switch {
	case !v.Open && v.Undecided > 0:
		return fmt.Sprintf("the recovery mode is not open; %d contradictions are undecided, which were left so or which one node claims and cannot prove: nothing is done about those servers", v.Undecided),
			"decide: controller recovery show"
	case !v.Open:
		return "the store agrees with the agents, as far as is known", ""
	case v.Undecided > 0:
		return fmt.Sprintf("the store is older than what the nodes know, %d contradictions wait for a decision%s", v.Undecided, still), "decide what is true: controller recovery show"
	case v.Auto:
		return "a backup was restored; this ends by itself when every node has said what it has and none contradicts" + still, "wait for the nodes, or: controller recovery end"
	default:
		return "the store is older than what the nodes know, and everything is decided" + still, "controller recovery end"
	}
}

func recoveryView(v lifecycle.RecoveryView) client.Recovery {
	out := client.Recovery{
		Open: v.Open, Reason: string(v.Reason), Since: moment(v.Since), Ended: moment(v.Ended), EndedBy: v.EndedBy, Term: v.Term, Undecided: v.Undecided,
		Waiting: append([]string{}, v.Silent...), Findings: []client.RecoveryFinding{},
	}
	out.Explain, out.Next = explainRecovery(v)
	for _, f := range v.Findings {
		out.Findings = append(out.Findings, findingView(f, v))
	}
	return out
}

func findingView(f fleet.Finding, v lifecycle.RecoveryView) client.RecoveryFinding {
	out := client.RecoveryFinding{
		ID: f.ID, Sign: string(f.Sign), Node: f.NodeName, NodeID: f.Node, Server: f.Name, ServerID: f.Server, Address: f.Remote, Term: f.Term,
		Proven: f.Proven, Choice: string(f.Choice), By: f.ChosenBy, Since: f.Since, Choices: []client.RecoveryChoice{},
	}
	if out.Node == "" {
		out.Node = f.Node
	}
	if out.Server == "" {
		out.Server = f.Server
	}
	if f.To > 0 {
		out.Lost = f.To - f.From + 1
	}
	if len(f.BoundKey) > 0 {
		sum := sha256.Sum256(f.BoundKey)
		out.Key = "sha256:" + hex.EncodeToString(sum[:])
	}
	if f.Server != "" && f.Sign != fleet.SignUnknown {
		out.Store = &client.RecoveryClaim{Node: v.Nodes[f.StoreNode].Name, Epoch: f.StoreEpoch, Desired: string(f.StoreDesired)}
	}
	if f.Server != "" && f.Sign != fleet.SignMissing {
		out.Agent = &client.RecoveryClaim{Node: out.Node, Epoch: f.Agent.Epoch, State: string(f.Agent.State)}
		if f.Agent.State == protocol.StateRunning || f.Agent.State == protocol.StateStarting {
			out.Agent.Since = moment(f.Agent.Started)
		}
	}
	out.Explain = explainFinding(out)
	if f.Undecided() {
		out.Choices = choices(f, out)
	}
	return out
}

func explainFinding(f client.RecoveryFinding) string {
	switch fleet.Sign(f.Sign) {
	case fleet.SignAhead:
		return fmt.Sprintf("node %s has %s at epoch %d (%s); the store says epoch %d%s, wanted %s", f.Node, f.Server, f.Agent.Epoch, f.Agent.State, f.Store.Epoch, on(f.Store.Node), f.Store.Desired)
	case fleet.SignUnknown:
		return fmt.Sprintf("node %s has %s (%s), which the store does not know", f.Node, f.Server, f.Agent.State)
	case fleet.SignMissing:
		return fmt.Sprintf("the store says that the world of %s is on node %s, which does not have it", f.Server, f.Node)
	case fleet.SignDiffers:
		return fmt.Sprintf("%s is %s on node %s; the store wants it %s", f.Server, f.Agent.State, f.Node, f.Store.Desired)
	case fleet.SignNode:
		return fmt.Sprintf("a node that calls itself %s came from %s with a certificate of our CA; the store does not know it", f.Node, f.Address)
	case fleet.SignTerm:
		return fmt.Sprintf("node %s has followed a controller of term %d%s; it does not follow this one", f.Node, f.Term, unproven(f))
	case fleet.SignReports:
		if f.Choice != string(fleet.Noted) {
			return fmt.Sprintf("node %s says that %d reports which the store does not have were taken%s: its servers wait", f.Node, f.Lost, unproven(f))
		}
		return fmt.Sprintf("%d reports of node %s are in no store any more: it was told that they had arrived", f.Lost, f.Node)
	case fleet.SignRestored:
	}
	return f.Sign
}

func unproven(f client.RecoveryFinding) string {
	if f.Proven {
		return ""
	}
	return ", which nothing proves"
}

func on(node string) string {
	if node == "" {
		return " on no node"
	}
	return " on node " + node
}

// choices says what each choice does, in the words of the moment.
func choices(f fleet.Finding, v client.RecoveryFinding) []client.RecoveryChoice {
	adopt := func(effect string) client.RecoveryChoice { return client.RecoveryChoice{Verb: "adopt", Effect: effect} }
	keep := func(effect string) client.RecoveryChoice { return client.RecoveryChoice{Verb: "keep", Effect: effect} }
	goesOn := "stays stopped"
	if fleet.Active(f.Agent) {
		goesOn = "runs on"
	}
	aside := "its copy on node " + v.Node + " is stopped and the world set aside for 7 days"
	switch f.Sign {
	case fleet.SignAhead:
		then := "the store's copy counts"
		if f.StoreNode == "" || f.StoreNode == f.Node {
			then = "the next start makes an empty world"
		}
		return []client.RecoveryChoice{adopt(fmt.Sprintf("it %s on node %s at epoch %d", goesOn, v.Node, f.Agent.Epoch)), keep(aside + "; " + then)}
	case fleet.SignUnknown:
		if f.Detail == nil {
			return []client.RecoveryChoice{keep(aside + "; (to adopt it, its node must be connected and tell what it was ordered)")}
		}
		return []client.RecoveryChoice{adopt(fmt.Sprintf("the server is made again from what the node was ordered, and %s", goesOn)), keep(aside)}
	case fleet.SignMissing:
		return []client.RecoveryChoice{keep("the row stays; it cannot start without its world"), {Verb: "forget", Effect: "the row is deleted: the server was deleted after the backup"}}
	case fleet.SignDiffers:
		return []client.RecoveryChoice{adopt("it " + goesOn), keep(strings.TrimSpace("when the recovery ends it is brought to what the store wants: " + v.Store.Desired))}
	case fleet.SignNode:
		return []client.RecoveryChoice{adopt("the node is let in with the key it proved; do not, if it was revoked after the backup"), {Verb: "forget", Effect: "it stays outside; its games run on unattended"}}
	case fleet.SignTerm:
		return []client.RecoveryChoice{{Verb: "lead", Effect: "the term is raised above the highest seen and the nodes follow this controller; only if no other controller runs"},
			keep("the node stays away; revoke it if it may be in a stranger's hands")}
	case fleet.SignReports:
		return []client.RecoveryChoice{keep("the node's word does not count, and its servers are looked after again; revoke it if it may be in a stranger's hands")}
	case fleet.SignRestored:
	}
	return []client.RecoveryChoice{}
}
